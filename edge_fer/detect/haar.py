"""The frontal face cascade that OpenCV's wheels carry: always there, slower than YuNet and sees less.

Viola, Jones: Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001.
"""

from pathlib import Path

import cv2

from edge_fer.detect.scaling import shrink
from edge_fer.errors import DetectorError
from edge_fer.records import Box, Face, Frame

SCALE_STEP = 1.1
NEIGHBOURS = 5
SCORE = 0.5
SMALLEST_PX = 24  # the window the cascade was trained on


class Haar:
    """Detector of upright, frontal faces; a cascade gives no scores, so every face has the same."""

    name = "haar"

    def __init__(self, *, model: Path | None = None, search_px: int = 320) -> None:
        file = model or Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
        self._search_px = search_px
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
        gray, factor = shrink(frame.pixels, self._search_px)
        found = self._cascade.detectMultiScale(
            gray, scaleFactor=SCALE_STEP, minNeighbors=NEIGHBOURS, minSize=(SMALLEST_PX, SMALLEST_PX)
        )
        boxes = [Box(*(float(value) * factor for value in row)) for row in found]
        return [Face(box, SCORE) for box in sorted(boxes, key=lambda box: -box.area)]
