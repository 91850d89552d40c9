"""The one way on which pixels reach the broker: a JPEG of what is seen, if the user has turned pictures on.

Readings have no room for pixels, and the sinks take readings. Whoever publishes pictures hands every frame to a
`Photographer` as well; without `mqtt.pictures` there is none, and so nothing that could let a picture out.
"""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final

import cv2

from edge_fer.draw import draw_readings
from edge_fer.records import ColourImage, Frame, Reading

MAX_BYTES: Final = 64 * 1024
"""Of a picture: half of what the strictest of the large brokers takes (AWS IoT, 128 KiB)."""

_MAX_SIDE_PX: Final = 640
_QUALITY: Final = 80


class Photographer:
    """Takes a picture at most once per heartbeat, and only with a face in view.

    Args:
        post: takes the JPEG file.
        heartbeat_s: the least time between two pictures; may be set later.
    """

    def __init__(self, post: Callable[[bytes], None], *, heartbeat_s: float) -> None:
        self.heartbeat_s = heartbeat_s
        self._post = post
        self._taken_s = -inf

    def look(self, now_s: float, frame: Frame, readings: Sequence[Reading]) -> None:
        """Take a picture of this frame if one is due; `now_s` is of a monotonic clock."""
        if readings and now_s - self._taken_s >= self.heartbeat_s:
            self._taken_s = now_s
            self._post(encode_picture(frame, readings))


def encode_picture(frame: Frame, readings: Sequence[Reading]) -> bytes:
    """A JPEG file of the frame with every face marked, of at most `MAX_BYTES`; in colour where the camera has it."""
    picture: Any = cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR) if frame.colour is None else frame.colour()
    height_px, width_px = picture.shape[:2]
    scale = min(1.0, _MAX_SIDE_PX / max(height_px, width_px))
    while True:
        data = _encode(picture, scale, readings)
        if len(data) <= MAX_BYTES:
            return data
        scale /= 2  # a picture full of noise; most take a third of what they may


def _encode(picture: ColourImage, scale: float, readings: Sequence[Reading]) -> bytes:
    height_px, width_px = picture.shape[:2]
    size = max(1, round(scale * width_px)), max(1, round(scale * height_px))
    small: Any = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # a copy in any case: the frame is not ours
    draw_readings(small, readings)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()
