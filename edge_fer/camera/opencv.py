"""OpenCV's decoders and capture devices, made quiet: what fails is told once, in our words."""

import os
from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.camera.source import Picture
from edge_fer.errors import CameraError
from edge_fer.records import ColourImage, GrayImage


class OversizeError(CameraError):
    """An encoded picture that says of itself that it is larger than OpenCV, or the memory, can take."""


class VideoDevice(Protocol):
    """The part of `cv2.VideoCapture` that the sources use."""

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's name
        """Whether it was opened."""
        ...

    def read(self) -> tuple[bool, NDArray[np.uint8]]:
        """Whether there was a picture, and the picture."""
        ...

    def get(self, prop: int, /) -> float:
        """A `cv2.CAP_PROP_…`; 0 or -1 if there is no such thing."""
        ...

    def set(self, prop: int, value: float, /) -> bool:
        """Whether the device took it."""
        ...

    def release(self) -> None:
        """Close it."""
        ...


def open_device(target: str, backend: int, parameters: Sequence[int] = ()) -> VideoDevice:
    """Open a device, stream or file with one of OpenCV's backends; the caller asks it whether it is open.

    Args:
        target: device, URL or path.
        backend: `cv2.CAP_V4L2` or `cv2.CAP_FFMPEG`.
        parameters: pairs of property and value that must stand before it is opened.
    """
    quieten()
    return cv2.VideoCapture(target, backend, list(parameters))  # type: ignore[return-value]


def is_utf8(name: str) -> bool:
    """Whether every byte of a file's name is text; at any other OpenCV's captures and writers crash."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def fourcc_name(code: float) -> str:
    """The four letters of a pixel format or codec, e.g. `YUYV`."""
    return int(code).to_bytes(4, "little", signed=False).decode("latin-1").strip("\0 ") if code > 0 else ""


def picture_of(bgr: ColourImage, position_s: float | None = None) -> Picture:
    """A picture from decoded colour, which it keeps for whoever wants to see it."""
    return Picture(gray_of(bgr), lambda: bgr, position_s)


def decode(encoded: NDArray[np.uint8], position_s: float | None = None) -> Picture | None:
    """A picture from a JPEG or another encoded image; None if it is none.

    Only the luminance is decoded now, which spares a JPEG the chroma's inverse transform and the conversion;
    the colour is decoded when somebody asks.

    Raises:
        OversizeError: it is too large.
    """
    gray = _image(encoded, cv2.IMREAD_GRAYSCALE)
    if gray is None:
        return None

    def colour() -> ColourImage:
        bgr = _image(encoded, cv2.IMREAD_COLOR)
        return bgr if bgr is not None else cv2.merge([gray] * 3).astype(np.uint8, copy=False)

    return Picture(gray, colour, position_s)


def gray_of(bgr: ColourImage) -> GrayImage:
    """Luminance of a BGR picture."""
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)


def _image(encoded: NDArray[np.uint8], flags: int) -> NDArray[np.uint8] | None:
    try:
        image = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:  # what is merely damaged gives None
        raise OversizeError("it is too large to be decoded") from error
    return None if image is None else image.astype(np.uint8, copy=False)


def quieten() -> None:
    """Silence what OpenCV and FFmpeg print on stderr, unless the environment asks for it.

    FFmpeg's level and options are read from the environment when the first capture is opened.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # Up to OpenCV 4.11, the newest beside Debian 12's NumPy, the function lay elsewhere.
        (cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2).setLogLevel(0)  # 0 is silence
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # FFmpeg would try UDP first with some cameras, where every lost packet is a torn picture.
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
