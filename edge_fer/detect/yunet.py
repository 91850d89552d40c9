"""YuNet through OpenCV's `FaceDetectorYN`.

Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023. The weights are
face_detection_yunet_2023mar.onnx of opencv_zoo. At OpenCV's default threshold of 0.9 it loses faces, at 0.6 it sees
them on the backs of heads; 0.75 is the default here.
"""

from pathlib import Path

import cv2
import numpy as np

from edge_fer.detect.scaling import shrink
from edge_fer.errors import DetectorError
from edge_fer.records import Box, Face, Frame

NMS_THRESHOLD = 0.3
MOST_FACES = 100
NO_CONFIG = np.empty(0, np.uint8)  # an ONNX file is complete


class YuNet:
    """Detector of faces with five landmarks; finds faces down to about 24 pixels in a 320 pixel wide search."""

    name = "yunet"

    def __init__(self, *, model: Path, min_score: float = 0.75, search_px: int = 320) -> None:
        try:
            network = np.frombuffer(model.read_bytes(), np.uint8)
        except OSError as error:
            raise DetectorError(
                f"{model}: cannot be read: {error.strerror}; `edge-fer models pull` fetches it"
            ) from None
        self._search_px = search_px
        self._size = (search_px, search_px)
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", network, NO_CONFIG, self._size, min_score, NMS_THRESHOLD, MOST_FACES
            )
        except cv2.error:
            raise DetectorError(
                f"{model}: this is not the YuNet network; `edge-fer models pull` fetches the right file"
            ) from None

    def detect(self, frame: Frame) -> list[Face]:
        """All faces in a frame, in pixels of the frame, the surest first."""
        gray, factor = shrink(frame.pixels, self._search_px)
        size = (gray.shape[1], gray.shape[0])
        if size != self._size:
            self._network.setInputSize(size)
            self._size = size
        _, found = self._network.detect(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
        if found is None:
            return []
        faces = [_face(row, factor) for row in found.tolist()]
        return sorted(faces, key=lambda face: -face.score)


def _face(row: list[float], factor: float) -> Face:
    """One row of YuNet's output: box (4), five landmarks (10), score."""
    x, y, w, h, *points, score = (*(value * factor for value in row[:14]), row[14])
    return Face(Box(x, y, w, h), score, tuple(zip(points[0::2], points[1::2], strict=True)))
