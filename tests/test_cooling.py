import logging

import pytest

from edge_fer.board import Strain
from edge_fer.cooling import Cooling

COOL = Strain(55.0, 80.0, throttled=False, under_voltage=False)
WARM = Strain(76.9, 80.0, throttled=False, under_voltage=False)
NEAR = Strain(77.1, 80.0, throttled=False, under_voltage=False)
SLOWED = Strain(81.0, 80.0, throttled=True, under_voltage=False)
WEAK = Strain(50.0, 80.0, throttled=True, under_voltage=True)
UNKNOWN = Strain(None, None, None, None)


class FakePipeline:
    def __init__(self) -> None:
        self.factors: list[float] = []

    def ease(self, factor: float) -> None:
        self.factors.append(factor)


class Board:
    """A board of which a test says how it is, looked after twice a second."""

    def __init__(self) -> None:
        self.seen = COOL
        self.pipeline = FakePipeline()
        self.cooling = Cooling(lambda: self.seen)
        self.now_s = 0.0

    def stay(self, seen: Strain, for_s: float) -> list[float]:
        """Be so for so long; what the pipeline was told meanwhile."""
        self.seen = seen
        told = len(self.pipeline.factors)
        end_s = self.now_s + for_s
        while self.now_s < end_s:
            self.cooling.turn(self.now_s, self.pipeline)
            self.now_s += 0.5
        return self.pipeline.factors[told:]


def test_a_board_that_is_well_or_unknown_goes_on_as_usual() -> None:
    board = Board()
    assert board.stay(COOL, 60) + board.stay(WARM, 60) + board.stay(UNKNOWN, 60) == []


@pytest.mark.parametrize("seen", [NEAR, SLOWED, WEAK])
def test_a_strained_one_is_spared_at_the_next_look_and_more_if_that_does_not_help(seen: Strain) -> None:
    board = Board()
    board.stay(COOL, 10)
    assert board.stay(seen, 5) == [2.0]
    assert board.stay(seen, 25) == []
    assert board.stay(seen, 5) == [4.0]
    assert board.stay(seen, 300) == []


def test_the_usual_pace_is_back_when_it_has_been_cool_for_a_while() -> None:
    board = Board()
    board.stay(SLOWED, 10)
    assert board.stay(WARM, 120) == []  # not cool enough: it would swing
    assert board.stay(COOL, 5) == [1.0]
    board.stay(SLOWED, 5)
    assert board.stay(COOL, 25) == []
    assert board.stay(COOL, 5) == [1.0]


def test_a_pipeline_that_a_reload_brought_is_told_as_well() -> None:
    board = Board()
    board.stay(SLOWED, 5)
    board.pipeline = FakePipeline()
    assert board.stay(SLOWED, 5) == [2.0]


def test_it_is_said_once_when_it_begins_and_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    board = Board()
    board.stay(SLOWED, 60)
    board.stay(COOL, 60)
    assert caplog.messages == [
        "The board is slowed down by heat (81 °C): faces are looked for less often until it is well",
        "The board is well again after 85 s: faces are looked for as usual",
    ]


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (NEAR, "The board is close to being slowed down by heat (77 °C)"),
        (WEAK, "The board's power supply is too weak"),
    ],
)
def test_what_it_is_that_strains(seen: Strain, message: str, caplog: pytest.LogCaptureFixture) -> None:
    Board().stay(seen, 5)
    assert caplog.messages == [f"{message}: faces are looked for less often until it is well"]
