"""Whether anything moves before the camera: what wakes an idle search.

The luminance is averaged over blocks, which quietens the camera's noise, and compared with a moment ago (frame
differencing; Lipton, Fujiyoshi, Patil: Moving Target Classification and Tracking from Real-time Video, WACV 1998).
"""

from typing import Final

import cv2
import numpy as np

from edge_fer.records import GrayImage

PERIOD_S: Final = 0.09
"""Between two comparisons, every third frame of thirty a second; in a shorter time slow people move too little."""

COLUMNS: Final = 80
"""Blocks across a frame's width; they are square."""

ROW_STEP: Final = 4
"""Of so many rows one is looked at: a block's other pixels say little more, and cost as much."""

STEP: Final = 10
"""Gray levels by which a block must change; sensor noise averaged over a block stays below 3."""

BLOCKS: Final = 4
"""So many blocks must change: a face of a twentieth of the picture's width covers sixteen."""


class Motion:
    """Compares frames with earlier ones; made for one camera and one size of frames at a time."""

    def __init__(self) -> None:
        self._before: GrayImage | None = None
        self._spare: GrayImage | None = None
        self._compared_s = 0.0

    def forget(self) -> None:
        """Compare the next frame with nothing, as after a time without frames."""
        self._before = None

    def seen(self, pixels: GrayImage, time_s: float) -> bool:
        """Whether something moved since the last comparison; False when none is due yet.

        Args:
            pixels: uint8 (height, width).
            time_s: the frame's time.
        """
        if self._before is not None and 0 <= time_s - self._compared_s < PERIOD_S:
            return False
        self._compared_s = time_s
        before = self._before
        now = self._blocks(pixels)
        self._before, self._spare = now, before
        if before is None or before.shape != now.shape:
            return False
        return int(np.count_nonzero(cv2.absdiff(now, before) > STEP)) >= BLOCKS

    def _blocks(self, pixels: GrayImage) -> GrayImage:
        height, width = pixels.shape
        block = max(1, round(width / COLUMNS))
        size = (max(1, width // block), max(1, height // block))
        spare, self._spare = self._spare, None
        # Rows are left out by stride, without a copy.
        return cv2.resize(pixels[::ROW_STEP], size, dst=spare, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
