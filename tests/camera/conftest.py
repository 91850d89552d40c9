"""A clock that is moved by hand, and how a test takes a frame."""

import pytest

from edge_fer.camera.capture import Capture
from edge_fer.records import Frame

SOON_S = 10.0
"""Longer than any thread here takes; never waited for in full unless a test fails."""


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def frame_of(capture: Capture) -> Frame:
    frame = capture.next(SOON_S)
    assert frame is not None
    return frame
