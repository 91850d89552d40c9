"""Frames of a file that is read whole."""

import threading

import numpy as np
import pytest

from edge_fer.camera.capture import Capture
from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError
from tests.camera.conftest import frame_of
from tests.clocks import Clock


class Film:
    """A file of three pictures."""

    name, details = "v.mp4", "4x4 h264 25 fps"

    def __init__(self) -> None:
        self.position = 0
        self.closed = False

    def read(self) -> Picture:
        if self.position == 3:
            raise EndOfStream
        self.position += 1
        return Picture(np.zeros((4, 4), np.uint8), None, (self.position - 1) * 0.04)

    def close(self) -> None:
        self.closed = True


def test_a_lossless_file_is_read_whole_without_a_thread_in_its_own_time(clock: Clock) -> None:
    film = Film()
    capture = Capture(lambda: film, name="v.mp4", live=False, clock=clock)
    threads = threading.active_count()
    frames = [frame_of(capture) for _ in range(3)]
    assert threading.active_count() == threads
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0), (1, 0.04), (2, 0.08)]
    assert capture.state.online
    assert capture.state.dropped == 0
    for _ in range(2):
        with pytest.raises(EndOfStream):
            capture.next(0)
    assert film.closed


def test_a_lossless_file_that_cannot_be_opened_is_not_tried_again(clock: Clock) -> None:
    def open_source() -> Film:
        raise UnusableSourceError("v.mp4 is no video")

    capture = Capture(open_source, name="v.mp4", live=False, clock=clock)
    with pytest.raises(UnusableSourceError, match=r"v\.mp4 is no video"):
        capture.next(0)
