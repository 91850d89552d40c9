from collections.abc import Callable

import pytest

from edge_fer.threads import REPEATS, ROUNDS, advise, best_threads, candidates, measure_threads


@pytest.mark.parametrize(
    ("configured", "cores", "counts"),
    [(1, 1, [1]), (1, 2, [1, 2]), (2, 4, [1, 2, 4]), (3, 4, [1, 2, 3, 4]), (4, 1, [1, 4])],
)
def test_as_many_threads_are_tried_as_there_are_cores(configured: int, cores: int, counts: list[int]) -> None:
    assert candidates(configured, cores=cores) == counts


class Machine:
    """Work that takes so many milliseconds with each number of threads, and twice as long in its first run."""

    def __init__(self, spent_ms: dict[int, float]) -> None:
        self.now_ns = 0
        self.opened: list[int] = []
        self._spent_ms = spent_ms

    def open_work(self, threads: int) -> Callable[[], None]:
        self.opened.append(threads)
        warm = False

        def work() -> None:
            nonlocal warm
            self.now_ns += round(self._spent_ms[threads] * 1e6 * (1 if warm else 2))
            warm = True

        return work

    def __call__(self) -> int:
        return self.now_ns


def test_every_number_of_threads_is_timed_in_turns_and_warm() -> None:
    machine = Machine({1: 9.0, 2: 5.0, 4: 6.5})
    assert measure_threads([1, 2, 4], machine.open_work, machine) == {1: 9.0, 2: 5.0, 4: 6.5}
    assert machine.opened == [1, 2, 4] * ROUNDS
    assert machine.now_ns == (REPEATS + 2) * ROUNDS * 20_500_000


def test_a_disturbance_of_a_round_changes_nothing() -> None:
    machine = Machine({1: 9.0, 2: 5.0})

    def open_work(threads: int) -> Callable[[], None]:
        work = machine.open_work(threads)
        if len(machine.opened) > 2:
            return work

        def slow() -> None:
            machine.now_ns += 50_000_000
            work()

        return slow

    assert measure_threads([1, 2], open_work, machine) == {1: 9.0, 2: 5.0}


@pytest.mark.parametrize(
    ("times_ms", "best"),
    [
        ({1: 5.0}, 1),
        ({1: 5.0, 2: 4.6}, 1),
        ({1: 5.0, 2: 4.5}, 2),
        ({1: 5.0, 2: 4.0, 4: 3.7}, 2),
        ({1: 5.0, 2: 6.0, 4: 4.0}, 4),
        ({1: 5.0, 2: 4.6, 4: 4.4}, 4),
    ],
)
def test_more_threads_must_be_worth_it(times_ms: dict[int, float], best: int) -> None:
    assert best_threads(times_ms) == best


def test_what_is_configured_is_right_or_something_else_would_be() -> None:
    times_ms = {1: 9.0, 2: 5.004}
    assert (
        advise(times_ms, 1) == "a search and a judgement take 9.00 ms with 1 thread, 5.00 ms with 2; set `threads: 2`"
    )
    assert advise(times_ms, 2).endswith("5.00 ms with 2; `threads: 2` is right here")
