"""A camera on the Raspberry Pi's ribbon cable, through libcamera."""

import concurrent.futures
import os
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.camera.source import Picture, UnusableSourceError
from edge_fer.errors import CameraError
from edge_fer.records import ColourImage


def _make_picamera2() -> Any:
    os.environ.setdefault("LIBCAMERA_LOG_LEVELS", "*:ERROR")  # else it greets at every attempt
    try:
        import picamera2  # noqa: PLC0415 - from apt, only there on a Pi
    except ImportError as error:
        raise UnusableSourceError(
            "picamera2 cannot be imported: sudo apt install python3-picamera2, and make the virtual environment "
            f"with --system-site-packages ({error})"
        ) from error
    return picamera2.Picamera2()


class PiCamera:
    """The first camera that libcamera finds, in YUV420: its first plane is the luminance.

    Args:
        width: pixels; libcamera may round it.
        height: likewise.
        fps: pictures per second.
        read_timeout_s: how long to wait for a picture.
        make: makes the `Picamera2`.

    Raises:
        CameraError: there is no camera, or another program has it.
        UnusableSourceError: picamera2 is not installed.
    """

    name = "picamera2"

    def __init__(
        self,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 30,
        read_timeout_s: float = 5,
        make: Callable[[], Any] = _make_picamera2,
    ) -> None:
        self._read_timeout_s = read_timeout_s
        try:
            self._camera = make()
        except (RuntimeError, IndexError) as error:
            raise CameraError(f"no Raspberry Pi camera can be opened: {error}; is its cable in?") from error
        try:
            self._stream = self._start(width, height, fps)
        except RuntimeError as error:
            self._camera.close()
            raise CameraError(f"the Raspberry Pi camera does not start: {error}") from error
        got_width, got_height = self._stream["size"]
        self.details = f"{got_width}x{got_height} YUV420 {fps:g} fps"

    def read(self) -> Picture:
        """Wait for the next picture.

        Raises:
            CameraError: none came in time.
        """
        try:
            request = self._camera.capture_request(wait=self._read_timeout_s)
        except concurrent.futures.TimeoutError as error:
            # Its job would otherwise stay queued, take the next picture and never give it back.
            self._camera.cancel_all_and_flush()
            raise CameraError(
                f"the Raspberry Pi camera gave no picture for {self._read_timeout_s:g} s; is its cable loose?"
            ) from error
        try:
            buffer = request.make_buffer("main")  # a copy
        finally:
            request.release()
        return unpack_yuv420(buffer, self._stream["size"], self._stream["stride"])

    def close(self) -> None:
        """Stop the camera and let go of it."""
        self._camera.close()

    def _start(self, width: int, height: int, fps: float) -> dict[str, Any]:
        camera, period_us = self._camera, round(1e6 / fps)
        # The main stream itself is YUV420, so no second (lores) one is needed, which would be stretched wherever
        # its shape is not main's. The preview's colour space has the full range 0 to 255, like the photos that
        # the classifier learnt from. Half the sensor's resolution is its binned mode: the whole field of view,
        # where the mode next to 640x480 would cut out the middle. Without a queue every capture waits for the
        # next picture and never gets a stored one; flush=True would besides wait for the next exposure to begin
        # and, asked in a loop, halve the rate.
        wide, high = camera.sensor_resolution
        camera.configure(
            camera.create_preview_configuration(
                main={"format": "YUV420", "size": (width, height)},
                raw=None,
                sensor={"output_size": (wide // 2, high // 2)},
                queue=False,
                controls={"FrameDurationLimits": (period_us, period_us)},
            )
        )
        camera.start()
        stream: dict[str, Any] = camera.stream_configuration("main")
        return stream


def unpack_yuv420(buffer: NDArray[np.uint8], size: tuple[int, int], stride: int) -> Picture:
    """The picture in a planar YUV420 buffer.

    Args:
        buffer: uint8, one-dimensional, owned by the picture from now on: the plane of luminance, then two planes
            of chroma with half its width, height and stride.
        size: width and height in pixels, both even.
        stride: bytes from one row of luminance to the next, at least the width.
    """
    width, height = size
    luma = stride * height
    gray = np.ascontiguousarray(buffer[:luma].reshape(height, stride)[:, :width])

    def colour() -> ColourImage:
        blue, red = buffer[luma : luma * 3 // 2].reshape(2, height // 2, stride // 2)[:, :, : width // 2]
        full = [gray, *(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (red, blue))]
        bgr: ColourImage = cv2.cvtColor(cv2.merge(full), cv2.COLOR_YCrCb2BGR).astype(np.uint8, copy=False)
        return bgr

    return Picture(gray, colour)
