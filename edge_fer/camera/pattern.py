"""A test pattern that moves: pictures where there is no camera at all."""

import cv2
import numpy as np

from edge_fer.camera.source import Picture

_BARS = 8
_STEP_PX = 4


class Pattern:
    """Gray bars that wander to the left, four pixels a picture; the same pictures every time, without end.

    Args:
        width: pixels.
        height: pixels.
        fps: pictures per second of its time line.
    """

    name = "pattern"

    def __init__(self, *, width: int = 640, height: int = 480, fps: float = 30) -> None:
        self.details = f"{width}x{height} {fps:g} fps"
        self._width, self._fps, self._index = width, fps, 0
        row = (np.arange(width) * _BARS // width * (255 // (_BARS - 1))).astype(np.uint8)
        self._card = np.tile(row, (height, 2))

    def read(self) -> Picture:
        """The next picture, at once."""
        left = self._index * _STEP_PX % self._width
        pixels = np.ascontiguousarray(self._card[:, left : left + self._width])
        position_s = self._index / self._fps
        self._index += 1
        return Picture(pixels, lambda: cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR).astype(np.uint8), position_s)

    def close(self) -> None:
        """Nothing is held."""
