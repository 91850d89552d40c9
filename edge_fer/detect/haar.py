"""The frontal face cascade that OpenCV's wheels carry: always there, slower than YuNet and sees less.

Viola, Jones: Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001.
"""

from pathlib import Path

import cv2
import numpy as np

from edge_fer.detect.scaling import SMALLEST_FACE_PX, Cutter, Shrinker
from edge_fer.errors import DetectorError
from edge_fer.records import Box, Face, Frame, GrayImage

SCALE_STEP = 1.1
NEIGHBOURS = 5
SCORE = 0.5
REGION_PX = 160
"""Side of the picture in which a known face is found again; half of it is the face."""


class Haar:
    """Detector of upright, frontal faces; a cascade gives no scores, so every face has the same."""

    name = "haar"
    min_score = SCORE

    def __init__(self, *, model: Path | None = None, search_px: int = 320) -> None:
        file = model or Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
        self._shrinker = Shrinker(search_px)
        self._cutter = Cutter(REGION_PX)
        try:
            file.open("rb").close()
            self._cascade = cv2.CascadeClassifier(str(file))
        except OSError as error:
            raise DetectorError(f"{file}: cannot be read: {error.strerror}; give the path of a Haar cascade") from None
        except (cv2.error, SystemError):
            raise DetectorError(f"{file}: this is not a Haar cascade; give OpenCV's XML file or no path") from None
        if self._cascade.empty():
            raise DetectorError(f"{file}: this is not a Haar cascade; give OpenCV's XML file or no path")

    def detect(self, frame: Frame) -> list[Face]:
        """All faces in a frame, in pixels of the frame, the largest first."""
        gray, factor = self._shrinker.shrink(frame.pixels)
        return self._faces(gray, (0, 0), factor, smallest_px=SMALLEST_FACE_PX)

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        """The faces in a square of a frame, in pixels of the frame, the largest first."""
        return self._faces(*self._cutter.cut(frame.pixels, region), smallest_px=REGION_PX // 3)

    def _faces(self, gray: GrayImage, corner: tuple[int, int], factor: float, *, smallest_px: int) -> list[Face]:
        found = self._cascade.detectMultiScale(
            gray, scaleFactor=SCALE_STEP, minNeighbors=NEIGHBOURS, minSize=(smallest_px, smallest_px)
        )
        left, top = corner
        boxes = [
            Box(left + x * factor, top + y * factor, w * factor, h * factor)
            for x, y, w, h in np.asarray(found).tolist()
        ]
        return [Face(box, SCORE) for box in sorted(boxes, key=lambda box: -box.area)]
