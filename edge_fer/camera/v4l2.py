"""A USB webcam, or any other device of Video4Linux."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.camera.opencv import OversizeError, VideoDevice, decode, fourcc_name, open_device, picture_of
from edge_fer.camera.source import Picture
from edge_fer.errors import CameraError

_BAD_PICTURES_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class Mode:
    """What a device is asked for, or has agreed to."""

    width: int
    height: int
    fps: float
    fourcc: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.width}x{self.height}", self.fourcc, f"{self.fps:.4g} fps")))


class V4L2Camera:
    """A device under /dev, in YUYV where it keeps up with the rate asked for, else in MJPG.

    Pictures come raw: of YUYV the luminance is every other byte, of MJPG it alone is decoded.

    Args:
        path: e.g. `/dev/video0` or a name under `/dev/v4l/by-id`.
        width: pixels to ask for; the device may give another size.
        height: likewise.
        fps: pictures per second to ask for.
        read_timeout_s: how long to wait for a picture; OpenCV takes whole seconds, the same for all devices.
        open_device: makes the `cv2.VideoCapture`.

    Raises:
        CameraError: it is absent, busy, forbidden, or no camera.
    """

    def __init__(
        self,
        path: str,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 30,
        read_timeout_s: float = 5,
        open_device: Callable[[str, int], VideoDevice] = open_device,
    ) -> None:
        self.name = path
        # Read once by OpenCV, at the first picture: instead of 10 s.
        os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(math.ceil(read_timeout_s)))
        self._device = open_device(path, cv2.CAP_V4L2)
        if not self._device.isOpened():
            self._device.release()
            raise CameraError(_diagnosis(Path(path)))
        # OpenCV gives a raw buffer back to the driver before it copies it: with only one, the driver would write
        # the next picture into what is being copied. OpenCV's own four would let old pictures queue up.
        self._device.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        asked = Mode(width, height, fps)
        self._mode = negotiate(self._device, asked)
        self.details = f"{self._mode}" if meets(self._mode, asked) else f"{self._mode} (asked for {asked})"
        self._unpack = _UNPACKERS.get(self._mode.fourcc)
        if self._unpack is not None:
            self._device.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        self._stamp_ms = 0.0

    def read(self) -> Picture:
        """Wait for the next picture; damaged ones are passed over.

        Raises:
            CameraError: none came in time, the same one came again, or nothing but damaged ones.
        """
        for _ in range(_BAD_PICTURES_IN_A_ROW):
            read, data = self._device.read()
            if not read:
                raise CameraError(f"{self.name} gives no picture: unplugged, or its driver hangs")
            # After an unplug or a time-out OpenCV may hand out the last buffer again and call it a success.
            stamp_ms = self._device.get(cv2.CAP_PROP_POS_MSEC)
            if 0 < stamp_ms == self._stamp_ms:
                raise CameraError(f"{self.name} repeats its last picture: unplugged, or its driver hangs")
            self._stamp_ms = stamp_ms
            picture = self._picture(data)
            if picture is not None:
                return picture
        raise CameraError(f"{self.name} sends nothing but damaged pictures; a shorter cable or another port may help")

    def close(self) -> None:
        """Let go of the device."""
        self._device.release()

    def _picture(self, data: NDArray[np.uint8] | None) -> Picture | None:
        if data is None or not data.size:
            return None
        return picture_of(data) if self._unpack is None else self._unpack(data, self._mode)


def negotiate(device: VideoDevice, asked: Mode) -> Mode:
    """Set the format that comes nearest to what is asked for: first the size, then the rate, then YUYV.

    YUYV costs nothing to decode, but at larger sizes USB carries too little of it, and MJPG is what keeps the rate.

    Returns:
        what the device says it does now.
    """
    offers: list[tuple[str, Mode]] = []
    for fourcc in ("YUYV", "MJPG"):
        got = _set(device, fourcc, asked)
        if meets(got, asked) and got.fourcc in _UNPACKERS:
            return got
        offers.append((fourcc, got))

    def merit(offer: tuple[str, Mode]) -> tuple[bool, float]:
        got = offer[1]
        return (got.width, got.height) == (asked.width, asked.height), min(got.fps, asked.fps)

    fourcc, best = max(offers, key=merit)  # of equals the first, YUYV
    return best if fourcc == offers[-1][0] else _set(device, fourcc, asked)


def meets(got: Mode, asked: Mode) -> bool:
    """Whether size and rate are what was asked for; 29.97 is 30, and a device without rates reports none."""
    return (got.width, got.height) == (asked.width, asked.height) and not 0 < got.fps < 0.9 * asked.fps


def unpack_yuyv(data: NDArray[np.uint8], mode: Mode) -> Picture | None:
    """Luminance of a YUYV buffer, whose rows may be padded; None if the buffer is cut short."""
    if data.size % mode.height or data.size < 2 * mode.width * mode.height:
        return None
    rows = data.reshape(mode.height, -1)[:, : 2 * mode.width]
    yuyv = np.ascontiguousarray(rows).reshape(mode.height, mode.width, 2)
    gray = cv2.extractChannel(yuyv, 0).astype(np.uint8, copy=False)
    return Picture(gray, lambda: cv2.cvtColor(yuyv, cv2.COLOR_YUV2BGR_YUYV).astype(np.uint8, copy=False))


def _unpack_mjpg(data: NDArray[np.uint8], _: Mode) -> Picture | None:
    try:
        return decode(data.reshape(-1))
    except OversizeError:  # no camera takes such a picture: its header is damaged
        return None


_UNPACKERS: dict[str, Callable[[NDArray[np.uint8], Mode], Picture | None]] = {
    "YUYV": unpack_yuyv,
    "MJPG": _unpack_mjpg,
}


def _set(device: VideoDevice, fourcc: str, asked: Mode) -> Mode:
    device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*fourcc))
    device.set(cv2.CAP_PROP_FRAME_WIDTH, asked.width)
    device.set(cv2.CAP_PROP_FRAME_HEIGHT, asked.height)
    device.set(cv2.CAP_PROP_FPS, asked.fps)
    return Mode(
        int(device.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(device.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        device.get(cv2.CAP_PROP_FPS),
        fourcc_name(device.get(cv2.CAP_PROP_FOURCC)),
    )


def _diagnosis(path: Path) -> str:
    if not path.exists():
        present = ", ".join(str(p) for p in sorted(path.parent.glob("video*")))
        return f"{path} is not there; " + (f"present: {present}" if present else "no camera is plugged in")
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} may not be opened: this user must be in the group video"
    return f"{path} cannot be opened: another program uses it, or it is no camera"
