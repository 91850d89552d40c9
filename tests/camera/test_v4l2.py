"""Video4Linux, on a hand-written device."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.camera.opencv import fourcc_name
from edge_fer.camera.v4l2 import Mode, V4L2Camera, meets, negotiate, unpack_yuyv
from edge_fer.errors import CameraError


class Device:
    """A `cv2.VideoCapture` of a webcam.

    Args:
        offers: what the driver makes of a pixel format when it is asked for it.
        pictures: what read gives, one after the other; None for a failure.
        stamps_ms: the buffers' time stamps.
    """

    def __init__(
        self,
        offers: dict[str, tuple[int, int, float]],
        pictures: list[NDArray[np.uint8] | None] | None = None,
        stamps_ms: list[float] | None = None,
        *,
        opened: bool = True,
    ) -> None:
        self.offers = offers
        self.fourcc = next(iter(offers))
        self.pictures = list(pictures or [])
        self.stamps_ms = list(stamps_ms or range(1, 1000))
        self.properties: dict[int, float] = {}
        self.opened = opened
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        return self.opened

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        picture = self.pictures.pop(0)
        if picture is None:
            return False, np.empty(0, np.uint8)
        self.properties[cv2.CAP_PROP_POS_MSEC] = self.stamps_ms.pop(0)
        return True, picture

    def get(self, prop: int, /) -> float:
        width, height, fps = self.offers[self.fourcc]
        known = {
            cv2.CAP_PROP_FRAME_WIDTH: width,
            cv2.CAP_PROP_FRAME_HEIGHT: height,
            cv2.CAP_PROP_FPS: fps,
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*self.fourcc),
        }
        return known.get(prop, self.properties.get(prop, 0.0))

    def set(self, prop: int, value: float, /) -> bool:
        if prop == cv2.CAP_PROP_FOURCC:
            name = fourcc_name(value)
            if name not in self.offers:
                return False
            self.fourcc = name
        self.properties[prop] = value
        return True

    def release(self) -> None:
        self.released = True


def _camera(device: Device, *, width: int = 4, height: int = 2) -> V4L2Camera:
    return V4L2Camera("/dev/video7", width=width, height=height, fps=30, open_device=lambda path, backend: device)


VGA = Mode(640, 480, 30)
HD = Mode(1280, 720, 30)


@pytest.mark.parametrize(
    ("offers", "asked", "got"),
    [
        ({"YUYV": (640, 480, 30), "MJPG": (640, 480, 30)}, VGA, Mode(640, 480, 30, "YUYV")),
        ({"YUYV": (1280, 720, 10), "MJPG": (1280, 720, 30)}, HD, Mode(1280, 720, 30, "MJPG")),
        ({"MJPG": (640, 480, 30)}, VGA, Mode(640, 480, 30, "MJPG")),
        ({"YUYV": (1280, 720, 10)}, HD, Mode(1280, 720, 10, "YUYV")),
        ({"YUYV": (640, 480, 15), "MJPG": (640, 480, 15)}, VGA, Mode(640, 480, 15, "YUYV")),
        ({"YUYV": (640, 480, 30), "MJPG": (1280, 720, 24)}, HD, Mode(1280, 720, 24, "MJPG")),
        ({"GREY": (640, 400, 60)}, VGA, Mode(640, 400, 60, "GREY")),
    ],
)
def test_negotiation_takes_size_before_rate_before_yuyv(
    offers: dict[str, tuple[int, int, float]], asked: Mode, got: Mode
) -> None:
    device = Device(offers)
    assert negotiate(device, asked) == got
    assert device.fourcc == got.fourcc


@pytest.mark.parametrize(("fps", "enough"), [(30, True), (29.97, True), (25, False), (0, True), (-1, True)])
def test_a_rate_is_enough_within_a_tenth_or_unknown(fps: float, enough: bool) -> None:
    assert meets(Mode(640, 480, fps), VGA) is enough


def test_the_luminance_of_yuyv_is_every_other_byte() -> None:
    rows = [[10, 128, 20, 128, 30, 128, 40, 128], [50, 128, 60, 128, 70, 128, 80, 128]]
    picture = unpack_yuyv(np.array([rows], np.uint8).reshape(1, -1), Mode(4, 2, 30))
    assert picture is not None
    assert picture.pixels.tolist() == [[10, 20, 30, 40], [50, 60, 70, 80]]
    assert picture.pixels.flags.c_contiguous
    assert picture.colour is not None
    assert picture.colour().shape == (2, 4, 3)


def test_padded_rows_of_yuyv_are_cropped() -> None:
    data = np.array([[1, 128, 2, 128, 99, 99], [3, 128, 4, 128, 99, 99]], np.uint8)
    picture = unpack_yuyv(data.reshape(-1), Mode(2, 2, 30))
    assert picture is not None
    assert picture.pixels.tolist() == [[1, 2], [3, 4]]


def test_yuyv_that_was_cut_short_is_no_picture() -> None:
    assert unpack_yuyv(np.zeros(15, np.uint8), Mode(4, 2, 30)) is None
    assert unpack_yuyv(np.zeros(14, np.uint8), Mode(4, 2, 30)) is None


def test_the_colour_of_yuyv_is_converted_on_demand() -> None:
    data = np.full((2, 4, 2), 128, np.uint8)
    data[..., 0] = 235
    device = Device({"YUYV": (4, 2, 30)}, [data])
    picture = _camera(device).read()
    assert picture.colour is not None
    assert picture.pixels[0].tolist() == [235] * 4
    assert picture.colour()[0, 0].tolist() == [255, 255, 255]


def test_mjpg_is_decoded_here_and_its_colour_on_demand() -> None:
    bgr = np.full((16, 16, 3), (0, 0, 255), np.uint8)
    jpeg = cv2.imencode(".jpg", bgr)[1]
    device = Device({"MJPG": (16, 16, 30)}, [jpeg.reshape(1, -1).astype(np.uint8)])
    picture = _camera(device, width=16, height=16).read()
    assert device.properties[cv2.CAP_PROP_CONVERT_RGB] == 0
    assert picture.pixels[8, 8] == 76  # 0.299 of a full red
    assert picture.colour is not None
    assert picture.colour()[8, 8, 2] > 250


def test_other_formats_are_left_to_opencv() -> None:
    device = Device({"GREY": (4, 2, 30)}, [np.full((2, 4, 3), 90, np.uint8)])
    picture = _camera(device).read()
    assert cv2.CAP_PROP_CONVERT_RGB not in device.properties
    assert picture.pixels.tolist() == [[90] * 4] * 2


def test_what_was_agreed_on_is_told_beside_what_was_asked_for() -> None:
    assert _camera(Device({"YUYV": (640, 480, 30)}), width=640, height=480).details == "640x480 YUYV 30 fps"
    less = Device({"YUYV": (640, 480, 15)})
    assert _camera(less, width=1280, height=720).details == "640x480 YUYV 15 fps (asked for 1280x720 30 fps)"
    assert less.properties[cv2.CAP_PROP_BUFFERSIZE] == 2


def test_damaged_pictures_are_passed_over() -> None:
    good = np.full((2, 4, 2), 7, np.uint8)
    cut = np.zeros(3, np.uint8)
    assert _camera(Device({"YUYV": (4, 2, 30)}, [cut, cut, good])).read().pixels[0, 0] == 7
    with pytest.raises(CameraError, match="nothing but damaged pictures"):
        _camera(Device({"YUYV": (4, 2, 30)}, [cut] * 10)).read()


def test_a_damaged_header_that_claims_a_giant_picture_is_passed_over() -> None:
    jpeg = cv2.imencode(".jpg", np.full((16, 16, 3), 76, np.uint8))[1].tobytes()
    size = jpeg.index(b"\xff\xc0") + 5
    giant = jpeg[:size] + b"\xff\xd0\xff\xd0" + jpeg[size + 4 :]
    device = Device({"MJPG": (16, 16, 30)}, [np.frombuffer(data, np.uint8) for data in (giant, jpeg)])
    assert _camera(device, width=16, height=16).read().pixels[8, 8] == 76


def test_a_failed_read_is_a_loss() -> None:
    with pytest.raises(CameraError, match="/dev/video7 gives no picture"):
        _camera(Device({"YUYV": (4, 2, 30)}, [None])).read()


def test_the_same_buffer_again_is_a_loss_even_if_opencv_calls_it_a_success() -> None:
    good = np.zeros((2, 4, 2), np.uint8)
    camera = _camera(Device({"YUYV": (4, 2, 30)}, [good] * 3, [40.0, 73.3, 73.3]))
    camera.read()
    camera.read()
    with pytest.raises(CameraError, match="repeats its last picture"):
        camera.read()


def test_a_driver_without_time_stamps_is_believed() -> None:
    camera = _camera(Device({"YUYV": (4, 2, 30)}, [np.zeros((2, 4, 2), np.uint8)] * 2, [0.0, 0.0]))
    camera.read()
    assert camera.read().pixels.shape == (2, 4)


def test_a_device_that_is_not_there_is_said_so_and_released() -> None:
    device = Device({"YUYV": (4, 2, 30)}, opened=False)
    with pytest.raises(CameraError, match=r"^/dev/video7 is not there; (no camera is plugged in|present: /dev/video)"):
        _camera(device)
    assert device.released


def test_a_file_that_is_no_camera_is_said_so(tmp_path: object) -> None:
    with pytest.raises(CameraError, match="cannot be opened: another program uses it, or it is no camera"):
        V4L2Camera(str(tmp_path))


@pytest.mark.real
def test_a_missing_index_is_one_clear_sentence(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CameraError, match=r"^/dev/video98 is not there"):
        V4L2Camera("/dev/video98")
    assert capfd.readouterr() == ("", "")
