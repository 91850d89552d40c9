"""The Raspberry Pi's camera, on a hand-written Picamera2 whose rows are padded."""

import concurrent.futures
import importlib.util
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.camera.picamera2 import PiCamera, unpack_yuv420
from edge_fer.camera.source import UnusableSourceError
from edge_fer.errors import CameraError

WIDTH, HEIGHT, STRIDE = 6, 4, 16


def _buffer(luma: int) -> NDArray[np.uint8]:
    """A YUV420 buffer whose padding is 255, so that a wrong crop shows."""
    y = np.full((HEIGHT, STRIDE), 255, np.uint8)
    y[:, :WIDTH] = luma + np.arange(WIDTH)
    chroma = np.full((2, HEIGHT // 2, STRIDE // 2), 255, np.uint8)
    chroma[:, :, : WIDTH // 2] = 128
    return np.concatenate([y.reshape(-1), chroma.reshape(-1)])


class Request:
    def __init__(self, buffer: NDArray[np.uint8] | None) -> None:
        self.buffer = buffer
        self.released = 0

    def make_buffer(self, name: str) -> NDArray[np.uint8]:
        assert name == "main"
        if self.buffer is None:
            raise RuntimeError("no such stream")
        return self.buffer.copy()

    def release(self) -> None:
        self.released += 1


class Picamera2:
    """Gives the requests of a list; where it holds None, nothing comes in time."""

    sensor_resolution = (3280, 2464)

    def __init__(self, requests: list[Request | None], *, start_error: RuntimeError | None = None) -> None:
        self.requests = requests
        self.start_error = start_error
        self.calls: list[str] = []
        self.configuration: dict[str, Any] = {}
        self.waits: list[float] = []

    def create_preview_configuration(self, **options: Any) -> dict[str, Any]:
        return options

    def configure(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def start(self) -> None:
        if self.start_error is not None:
            raise self.start_error
        self.calls.append("start")

    def stream_configuration(self, name: str) -> dict[str, Any]:
        assert name == "main"
        return {"format": "YUV420", "size": (WIDTH, HEIGHT), "stride": STRIDE}

    def capture_request(self, *, wait: float) -> Request:
        self.waits.append(wait)
        request = self.requests.pop(0)
        if request is None:
            raise concurrent.futures.TimeoutError
        return request

    def cancel_all_and_flush(self) -> None:
        self.calls.append("cancel")

    def close(self) -> None:
        self.calls.append("close")


def test_the_luminance_is_cropped_by_the_stride_and_owned() -> None:
    camera = Picamera2([Request(_buffer(10))])
    picture = PiCamera(width=WIDTH, height=HEIGHT, fps=30, read_timeout_s=2, make=lambda: camera).read()
    assert picture.pixels.tolist() == [[10, 11, 12, 13, 14, 15]] * HEIGHT
    assert picture.pixels.flags.c_contiguous
    assert camera.waits == [2]


def test_the_colour_of_gray_is_gray_over_the_full_range() -> None:
    buffer = _buffer(0)
    buffer[:STRIDE] = 255
    picture = unpack_yuv420(buffer, (WIDTH, HEIGHT), STRIDE)
    assert picture.colour is not None
    bgr = picture.colour()
    assert bgr.shape == (HEIGHT, WIDTH, 3)
    assert bgr[0].tolist() == [[255] * 3] * WIDTH
    assert bgr[1].tolist() == [[value] * 3 for value in range(WIDTH)]


def test_blue_and_red_are_not_exchanged() -> None:
    buffer = np.full(4 * 4 * 3 // 2, 128, np.uint8)
    buffer[16:20] = 228  # the plane of U: blue
    picture = unpack_yuv420(buffer, (4, 4), 4)
    assert picture.colour is not None
    blue, _, red = picture.colour()[0, 0].tolist()
    assert (blue, red) == (255, 128)


def test_every_request_is_released_also_when_it_cannot_be_read() -> None:
    requests: list[Request | None] = [Request(_buffer(1)), Request(None)]
    camera = PiCamera(make=lambda: Picamera2(list(requests)))
    camera.read()
    with pytest.raises(RuntimeError):
        camera.read()
    assert [request.released for request in requests if request] == [1, 1]


def test_a_time_out_takes_its_job_back_and_is_a_loss() -> None:
    camera = Picamera2([None])
    with pytest.raises(CameraError, match="gave no picture for 2 s; is its cable loose"):
        PiCamera(read_timeout_s=2, make=lambda: camera).read()
    assert camera.calls == ["start", "cancel"]


def test_it_asks_for_the_whole_field_of_view_and_no_stored_pictures() -> None:
    camera = Picamera2([])
    source = PiCamera(width=WIDTH, height=HEIGHT, fps=25, make=lambda: camera)
    assert camera.configuration == {
        "main": {"format": "YUV420", "size": (WIDTH, HEIGHT)},
        "raw": None,
        "sensor": {"output_size": (1640, 1232)},
        "queue": False,
        "controls": {"FrameDurationLimits": (40000, 40000)},
    }
    assert source.details == "6x4 YUV420 25 fps"
    source.close()
    assert camera.calls == ["start", "close"]


def test_a_camera_that_does_not_start_is_closed() -> None:
    camera = Picamera2([], start_error=RuntimeError("Failed to start"))
    with pytest.raises(CameraError, match="does not start: Failed to start"):
        PiCamera(make=lambda: camera)
    assert camera.calls == ["close"]


def test_no_camera_is_one_clear_sentence() -> None:
    def none() -> Picamera2:
        raise IndexError("list index out of range")

    with pytest.raises(CameraError, match=r"no Raspberry Pi camera can be opened.*is its cable in"):
        PiCamera(make=none)


@pytest.mark.skipif(importlib.util.find_spec("picamera2") is not None, reason="picamera2 is installed")
def test_without_picamera2_the_sentence_says_what_to_install() -> None:
    with pytest.raises(UnusableSourceError, match=r"apt install python3-picamera2.*--system-site-packages"):
        PiCamera()
