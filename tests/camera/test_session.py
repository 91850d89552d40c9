"""A thread with a source: pace, mailbox, end."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edge_fer.camera.session import Session
from edge_fer.camera.source import EndOfStream, Picture


class Film:
    """Gives its pictures at once, each with its place on the time line."""

    name, details = "film", "4x4"

    def __init__(self, positions_s: list[float]) -> None:
        self.pictures: Iterator[Picture] = (
            Picture(np.full((4, 4), index, np.uint8), None, position) for index, position in enumerate(positions_s)
        )
        self.closed = False

    def read(self) -> Picture:
        picture = next(self.pictures, None)
        if picture is None:
            raise EndOfStream
        return picture

    def close(self) -> None:
        self.closed = True


def test_pictures_with_a_time_line_come_when_they_are_due() -> None:
    film = Film([5.0, 5.05, 5.1, 5.15])
    session = Session(lambda: film, first_index=7, clock=time.monotonic)
    frames = []
    while frame := session.take(5):
        frames.append(frame)
    assert isinstance(session.error, EndOfStream)
    assert [frame.index for frame in frames] == [7, 8, 9, 10]
    for frame, since_first_s in zip(frames, [0, 0.05, 0.1, 0.15], strict=True):
        # Never early; late only by what a busy machine takes.
        assert since_first_s - 0.001 <= frame.time_s - frames[0].time_s < since_first_s + 2
    session.join(5)
    assert film.closed


def test_waiting_for_a_picture_that_is_not_due_is_a_sign_of_life_and_ends_at_stop() -> None:
    film = Film([0.0, 3600.0])
    session = Session(lambda: film, first_index=0, clock=time.monotonic)
    assert session.take(5) is not None
    deadline_s = time.monotonic() + 5
    while session.alive_s < time.monotonic() + 3000 and time.monotonic() < deadline_s:
        session.take(0.01)
    assert session.alive_s > time.monotonic() + 3000
    session.stop()
    session.join(5)
    assert not session.running
    assert film.closed


def test_any_error_is_carried_to_the_caller() -> None:
    def open_source() -> Film:
        raise ZeroDivisionError

    session = Session(open_source, first_index=0, clock=time.monotonic)
    assert session.take(5) is None
    assert isinstance(session.error, ZeroDivisionError)


@pytest.mark.parametrize("count", [1, 5])
def test_the_last_picture_is_not_lost_by_the_end(count: int) -> None:
    session = Session(lambda: Film([0.0] * count), first_index=0, clock=time.monotonic)
    session.join(5)
    frame = session.take(5)
    assert frame is not None
    assert frame.index == count - 1
    assert (session.delivered, session.dropped) == (count, count - 1)
    assert session.take(5) is None
    assert isinstance(session.error, EndOfStream)
