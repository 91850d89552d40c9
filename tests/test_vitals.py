"""What the live page is told, and when."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from edge_fer.records import Frame, Reading
from edge_fer.vitals import Vitals
from edge_fer.web import LivePage, Status
from tests.samples import HAPPY
from tests.stage import FakeCapture, Stage


class Page:
    """Writes down what it is told: whether of a frame, and of how many faces."""

    def __init__(self) -> None:
        self.told: list[tuple[bool, int]] = []

    def update(self, frame: Frame | None, readings: Sequence[Reading], _status: Status) -> None:
        self.told.append((frame is not None, len(readings)))

    def close(self) -> None: ...


def test_while_a_picture_waits_for_its_turn_the_page_hears_every_second_of_those_who_are_shown() -> None:
    capture, page = FakeCapture(), Page()
    stage = Stage(capture, open_page=lambda _config, _control: cast("LivePage", page))
    vitals = Vitals(stage.assembly, 0.0)
    vitals.turn(0.0, Frame(np.zeros((48, 64), np.uint8), 0.0, 0), [HAPPY], paused=False)
    vitals.turn(0.01, None, [], paused=False)  # the next picture is still being read
    capture.state = replace(capture.state, due_s=60.0)
    for tick in range(1, 21):
        vitals.turn(tick / 10, None, [], paused=False)
    assert page.told == [(True, 1), (False, 1), (False, 1)]
    for now_s in (60.0, 61.0, 75.0):  # its turn has come, and it does not
        vitals.turn(now_s, None, [], paused=False)
    assert len(page.told) == 3
    capture.unplug()
    vitals.turn(76.0, None, [], paused=False)
    assert page.told[3:] == [(False, 0)]
