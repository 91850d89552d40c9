"""A camera in the network: RTSP over TCP, or MJPEG (or any other video) over HTTP."""

import socket
from urllib.parse import urlsplit

import cv2

from edge_fer.camera.opencv import fourcc_name, open_device, picture_of
from edge_fer.camera.source import Picture
from edge_fer.errors import CameraError

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_DIAGNOSIS_TIMEOUT_S = 2.0


class NetworkStream:
    """A stream that FFmpeg reads; one that ends is lost, not over, because cameras do not end.

    Args:
        url: may hold name and password; neither appears in `name`, `details` or any error.
        name: what to call it instead.
        open_timeout_s: how long to wait for the connection and the stream's description.
        read_timeout_s: how long to wait for a picture.

    Raises:
        CameraError: it cannot be opened now.
    """

    def __init__(self, url: str, *, name: str, open_timeout_s: float = 10, read_timeout_s: float = 5) -> None:
        self.name = name
        self._read_timeout_s = read_timeout_s
        self._device = open_device(
            url,
            cv2.CAP_FFMPEG,
            (
                *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * open_timeout_s)),
                *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, int(1000 * read_timeout_s)),
            ),
        )
        if not self._device.isOpened():
            self._device.release()
            raise CameraError(f"{name} cannot be opened: {_diagnosis(url)}")
        width, height = (int(self._device.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        self.details = f"{width}x{height} {fourcc_name(self._device.get(cv2.CAP_PROP_FOURCC))}".rstrip()

    def read(self) -> Picture:
        """Wait for the next picture.

        Raises:
            CameraError: the stream ended, or nothing came within the read time-out.
        """
        read, bgr = self._device.read()
        if not read:
            raise CameraError(f"{self.name} ended or sent nothing for {self._read_timeout_s:g} s")
        return picture_of(bgr)

    def close(self) -> None:
        """Close the connection."""
        self._device.release()


def _diagnosis(url: str) -> str:
    """Why FFmpeg may have failed, which OpenCV does not say: is anybody there at all?"""
    parts = urlsplit(url)
    place = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        socket.create_connection(place, _DIAGNOSIS_TIMEOUT_S).close()
    except socket.gaierror:
        return f"no host is called {place[0]}"
    except TimeoutError:
        return f"{place[0]} does not answer on port {place[1]}"
    except OSError as error:
        return f"{place[0]}, port {place[1]}: {error.strerror}"
    return (
        f"{place[0]} answers on port {place[1]}, but gives no video under this path "
        "(or wants another name and password)"
    )
