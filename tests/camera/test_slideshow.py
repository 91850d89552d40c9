"""A folder whose pictures come so slowly that a camera would count as lost."""

import numpy as np

from edge_fer.camera.capture import Capture
from edge_fer.camera.source import Picture
from tests.camera.conftest import SOON_S, frame_of
from tests.clocks import Clock


class Slideshow:
    """A picture a minute."""

    name, details = "folder", "2 images"

    def __init__(self) -> None:
        self.positions_s = [0.0, 60.0]

    def read(self) -> Picture:
        return Picture(np.zeros((4, 4), np.uint8), None, self.positions_s.pop(0))

    def close(self) -> None: ...


def test_it_says_until_when_a_picture_waits_for_its_turn(clock: Clock) -> None:
    capture = Capture(Slideshow, name="folder", live=True, clock=clock)
    assert capture.state.due_s == 0.0
    frame_of(capture)
    for _ in range(int(SOON_S / 0.01)):
        if capture.next(0.01) is None and capture.state.due_s == 160.0:
            break
    clock.now_s = 159.0
    assert capture.next(0) is None
    assert (capture.state.online, capture.state.due_s) == (True, 160.0)
    assert capture.stop()
    assert capture.state.due_s == 0.0
