"""A clock that is moved by hand, and how a test takes a frame."""

import pytest

from edge_fer.camera.capture import Capture
from edge_fer.records import Frame
from tests.clocks import Clock

SOON_S = 10.0
"""Longer than any thread here takes; never waited for in full unless a test fails."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


def frame_of(capture: Capture) -> Frame:
    frame = capture.next(SOON_S)
    assert frame is not None
    return frame
