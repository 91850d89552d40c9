from edge_fer.budget import Budget


class Work:
    """Pieces that take as long as they say on a clock that stands still otherwise."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def do(self, budget: Budget, *pieces_s: float, kind: str = "judge", share: float = 1.0) -> int:
        done = 0
        for piece_s in budget.affordable(kind, pieces_s, share=share):
            self.now_s += piece_s
            done += 1
        return done


def test_as_many_pieces_are_done_as_fit_by_experience() -> None:
    work = Work()
    budget = Budget(10, work)
    assert work.do(budget, *[0.024] * 9) == 4
    assert budget.cost_s("judge") == 0.024
    budget.begin()
    work.now_s += 0.05  # something else took half of the frame
    assert work.do(budget, *[0.024] * 9) == 2


def test_one_is_done_even_when_the_time_is_up_and_none_when_there_is_none() -> None:
    work = Work()
    budget = Budget(10, work)
    work.now_s += 1
    assert work.do(budget, 5.0, 5.0) == 1
    assert work.do(budget) == 0


def test_a_share_of_the_frame_is_kept_free() -> None:
    work = Work()
    assert work.do(Budget(10, work), *[0.024] * 9, share=0.5) == 2


def test_costs_follow_what_is_measured_for_each_kind() -> None:
    work = Work()
    budget = Budget(1, work)
    assert budget.cost_s("search") == 0.0
    work.do(budget, 0.1, kind="search")
    work.do(budget, 0.2, kind="search")
    work.do(budget, 0.01)
    assert (round(budget.cost_s("search"), 9), budget.cost_s("judge")) == (0.12, 0.010000000000000009)
