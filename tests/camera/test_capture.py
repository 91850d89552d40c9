"""Frames through every outage, on cameras made by hand and a clock that is moved by hand."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_fer.camera.capture import Capture
from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError
from edge_fer.errors import CameraError
from tests.camera.conftest import SOON_S, frame_of
from tests.clocks import Clock


class Camera:
    """A source whose reads wait for what the test puts in; the end of a test lets go of a read that hangs."""

    name, details = "/dev/video0", "4x4 YUYV 30 fps"

    def __init__(self) -> None:
        self.results: queue.Queue[int | Exception] = queue.Queue()
        self.reads = threading.Semaphore(0)
        self.closed = threading.Event()

    def read(self) -> Picture:
        self.reads.release()
        result = self.results.get()
        if isinstance(result, Exception):
            raise result
        return Picture(np.full((4, 4), result, np.uint8))

    def close(self) -> None:
        self.closed.set()

    def give(self, value: int) -> None:
        """Have a picture read, and wait until it lies in the slot."""
        self.results.put(value)
        assert self.reads.acquire(timeout=SOON_S)


class House:
    """Opens a new camera every time, or fails with the errors that the test lays ready."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.cameras: list[Camera] = []
        self.hang: threading.Event | None = None

    def open(self) -> Camera:
        if self.hang is not None:
            self.hang.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.cameras.append(Camera())
        return self.cameras[-1]


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    if house.hang is not None:
        house.hang.set()
    for camera in house.cameras:
        camera.results.put(CameraError("the test is over"))


@pytest.fixture
def capture(house: House, clock: Clock) -> Iterator[Capture]:
    capture = Capture(
        house.open,
        name="/dev/video0",
        live=True,
        open_timeout_s=10,
        stall_timeout_s=5,
        clock=clock,
        jitter=lambda: 0.0,
    )
    yield capture
    for camera in house.cameras:
        camera.results.put(CameraError("the test is over"))
    capture.stop()


def start(capture: Capture, house: House) -> Camera:
    """Open the camera and take its first frame."""
    sessions = len(house.cameras)
    capture.next(0)
    wait_for(lambda: len(house.cameras) > sessions)
    camera = house.cameras[-1]
    assert camera.reads.acquire(timeout=SOON_S)
    camera.give(1)
    frame_of(capture)
    return camera


def wait_for(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(int(SOON_S / 0.002)):
        if condition():
            return
        waiting.wait(0.002)
    raise AssertionError("did not happen")


def test_nothing_is_opened_before_the_first_next(capture: Capture, house: House) -> None:
    assert not house.cameras
    assert not capture.state.online
    assert capture.state.details == ""


def test_a_frame_has_the_clocks_time_and_an_index(capture: Capture, house: House, clock: Clock) -> None:
    camera = start(capture, house)
    assert capture.next(0) is None
    clock.now_s = 100.5
    camera.results.put(7)
    frame = frame_of(capture)
    assert (frame.time_s, frame.index, int(frame.pixels[0, 0])) == (100.5, 1, 7)
    assert capture.state.online
    assert capture.state.since_s == 100
    assert capture.state.details == "4x4 YUYV 30 fps"


def test_only_the_newest_frame_is_handed_out_and_the_others_are_counted(capture: Capture, house: House) -> None:
    camera = start(capture, house)
    for value in (2, 3, 4):
        camera.give(value)
    frame = frame_of(capture)
    assert (frame.index, int(frame.pixels[0, 0])) == (3, 4)
    assert capture.state.dropped == 2
    assert capture.next(0) is None


def test_a_lost_camera_is_told_once_and_restored_once_with_the_outages_length(
    capture: Capture, house: House, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    camera = start(capture, house)
    house.errors = [CameraError("/dev/video0 is not there")] * 2
    camera.results.put(CameraError("/dev/video0 gives no picture"))
    assert capture.next(SOON_S) is None
    assert camera.closed.wait(SOON_S)
    assert not capture.state.online
    assert capture.state.error == "/dev/video0 gives no picture"

    for seconds in (1, 2):  # both attempts fail
        clock.now_s += seconds
        assert capture.next(SOON_S) is None
        assert capture.state.error == "/dev/video0 is not there"
    clock.now_s += 4
    start(capture, house)

    assert caplog.messages == [
        "Camera /dev/video0: 4x4 YUYV 30 fps",
        "Camera lost: /dev/video0 gives no picture; trying until it is back",
        "Camera /dev/video0 is back after 7.0 s: 4x4 YUYV 30 fps",
    ]
    assert [record.levelname for record in caplog.records] == ["INFO", "WARNING", "INFO"]
    assert capture.state.online
    assert capture.state.since_s == 107
    assert capture.state.reconnects == 1


def test_a_camera_that_is_missing_at_boot_is_tried_until_it_is_there(
    capture: Capture, house: House, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house.errors = [CameraError("/dev/video0 is not there")] * 3
    for seconds in (1, 2, 4):
        assert capture.next(SOON_S) is None
        clock.now_s += seconds
    start(capture, house)
    assert caplog.messages == [
        "Camera lost: /dev/video0 is not there; trying until it is back",
        "Camera /dev/video0 is back after 7.0 s: 4x4 YUYV 30 fps",
    ]
    assert capture.state.reconnects == 0


def test_no_attempt_is_made_before_its_time_and_the_waits_grow(capture: Capture, house: House, clock: Clock) -> None:
    house.errors = [CameraError("/dev/video0 is not there")] * 4
    for attempts, seconds in enumerate((1, 2, 4), start=1):
        assert capture.next(SOON_S) is None
        assert len(house.errors) == 4 - attempts
        clock.now_s += seconds - 0.001
        assert capture.next(0) is None
        assert len(house.errors) == 4 - attempts
        clock.now_s += 0.001


def test_a_read_that_hangs_is_a_stall_and_its_thread_is_replaced(
    capture: Capture, house: House, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = start(capture, house)
    clock.now_s += 4.9
    assert capture.next(0) is None
    assert capture.state.online
    clock.now_s += 0.1
    assert capture.next(SOON_S) is None
    assert not capture.state.online
    assert caplog.messages == [
        "Camera lost: /dev/video0 gave no new picture for 5.0 s; trying until it is back",
    ]
    clock.now_s += 1
    start(capture, house)
    assert len(house.cameras) == 2
    assert capture.state.online

    # The driver lets go: the thread closes what it held, and its late picture goes nowhere.
    hanging.results.put(99)
    assert hanging.closed.wait(SOON_S)
    assert capture.next(0) is None


def test_an_outage_is_as_long_as_nothing_came(
    capture: Capture, house: House, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    start(capture, house)
    clock.now_s += 5
    assert capture.next(0) is None
    assert capture.state.since_s == 100
    clock.now_s += 1
    caplog.set_level(logging.INFO)
    start(capture, house)
    assert caplog.messages[-1] == "Camera /dev/video0 is back after 6.0 s: 4x4 YUYV 30 fps"


def test_an_opening_that_hangs_is_given_up(capture: Capture, house: House, clock: Clock) -> None:
    house.hang = threading.Event()
    assert capture.next(0) is None
    clock.now_s += 14.9
    assert capture.next(0) is None
    assert capture.state.error is None
    clock.now_s += 0.1
    assert capture.next(0) is None
    assert capture.state.error == "/dev/video0 could not be opened for 15.0 s"


def test_a_driver_that_never_lets_go_ends_the_capture(capture: Capture, house: House, clock: Clock) -> None:
    for seconds in (1, 2, 4):
        start(capture, house)
        clock.now_s += 5
        assert capture.next(0) is None
        clock.now_s += seconds
    with pytest.raises(CameraError, match=r"hangs in its driver, 3 attempts .* only a restart"):
        capture.next(0)
    with pytest.raises(CameraError, match="hangs in its driver"):
        capture.next(0)


def test_the_waits_begin_anew_after_a_good_while(capture: Capture, house: House, clock: Clock) -> None:
    house.errors = [CameraError("/dev/video0 is not there")] * 3
    for seconds in (1, 2, 4):
        assert capture.next(SOON_S) is None
        clock.now_s += seconds
    camera = start(capture, house)
    for _ in range(10):
        clock.now_s += 3
        camera.give(2)
        frame_of(capture)
    camera.results.put(CameraError("unplugged"))
    assert capture.next(SOON_S) is None
    clock.now_s += 1
    start(capture, house)
    assert capture.state.online


def test_a_flapping_camera_is_not_tried_faster(capture: Capture, house: House, clock: Clock) -> None:
    for _ in range(3):  # waits of 1, 2 and 4 s
        start(capture, house).results.put(CameraError("unplugged"))
        assert capture.next(SOON_S) is None
        clock.now_s += 4
    start(capture, house).results.put(CameraError("unplugged"))
    assert capture.next(SOON_S) is None
    clock.now_s += 7.9
    assert capture.next(0) is None
    assert len(house.cameras) == 4


def test_frames_and_losses_are_counted_on_over_sessions(capture: Capture, house: House, clock: Clock) -> None:
    camera = start(capture, house)
    for value in (2, 3):
        camera.give(value)
    camera.results.put(CameraError("unplugged"))
    assert camera.closed.wait(SOON_S)
    assert frame_of(capture).index == 2  # what came before the loss is still handed out
    assert capture.next(SOON_S) is None
    clock.now_s += 1
    camera = start(capture, house)
    camera.results.put(5)
    assert frame_of(capture).index == 4
    assert capture.state.dropped == 1


def test_stop_does_not_wait_for_a_read_that_hangs(
    capture: Capture, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    start(capture, house)
    assert not capture.stop(timeout_s=0.01)
    assert caplog.messages == ["Camera /dev/video0 hangs and was left behind"]
    assert not capture.state.online
    assert capture.next(SOON_S) is None
    assert len(house.cameras) == 1


def test_stop_tells_of_a_thread_that_was_left_behind_earlier(capture: Capture, house: House, clock: Clock) -> None:
    hanging = start(capture, house)
    clock.now_s += 5
    assert capture.next(0) is None
    assert not capture.stop()
    hanging.results.put(2)
    assert hanging.closed.wait(SOON_S)
    wait_for(capture.stop)


def test_stop_closes_a_camera_that_gives_pictures(capture: Capture, house: House) -> None:
    camera = start(capture, house)
    stopped = threading.Thread(target=capture.stop, args=(SOON_S,))
    stopped.start()

    def closed_after_a_read() -> bool:
        camera.results.put(2)
        return camera.closed.is_set()

    wait_for(closed_after_a_read)
    stopped.join(SOON_S)
    assert capture.stop()
    assert camera.closed.is_set()
    assert not capture.state.online


def test_what_no_waiting_mends_ends_the_capture_at_once(capture: Capture, house: House) -> None:
    house.errors = [UnusableSourceError("the video v.mp4 is empty (0 bytes)")]
    for _ in range(2):
        with pytest.raises(UnusableSourceError, match="is empty"):
            capture.next(SOON_S)


def test_a_bug_in_a_source_is_not_taken_for_an_outage(capture: Capture, house: House) -> None:
    house.errors = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        capture.next(SOON_S)


def test_a_paced_file_ends_after_its_last_frame(capture: Capture, house: House) -> None:
    camera = start(capture, house)
    camera.results.put(2)
    camera.results.put(EndOfStream())
    assert camera.closed.wait(SOON_S)
    assert int(frame_of(capture).pixels[0, 0]) == 2
    for _ in range(2):
        with pytest.raises(EndOfStream):
            capture.next(SOON_S)
    assert not capture.state.online
