"""YuNet through OpenCV's `FaceDetectorYN`.

Wu, Peng, Yu: YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20, 2023. The weights are
face_detection_yunet_2023mar.onnx of opencv_zoo. At OpenCV's default threshold of 0.9 it loses faces, at 0.6 it sees
them on the backs of heads; 0.75 is the default here.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.scaling import Cutter, Shrinker
from edge_fer.errors import DetectorError
from edge_fer.records import Box, ColourImage, Face, Frame, GrayImage

NMS_THRESHOLD = 0.3
MOST_FACES = 100
REGION_PX = 128
"""Side of the picture in which a known face is found again; half of it is the face. At 96 pixels a tenth of the turned
heads are overlooked, at 160 as many as here."""
WEAK = 2 / 3
"""Of the score asked for; what is less sure than that is no face even where one is known to have been."""
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
        self.min_score = min_score
        self._shrinker = Shrinker(search_px)
        self._cutter = Cutter(REGION_PX)
        try:
            # Two, because OpenCV plans a network anew whenever its input's size changes.
            self._whole = _Searcher(network, min_score, search_px)
            self._part = _Searcher(network, WEAK * min_score, REGION_PX)
        except cv2.error:
            raise DetectorError(
                f"{model}: this is not the YuNet network; `edge-fer models pull` fetches the right file"
            ) from None

    def detect(self, frame: Frame) -> list[Face]:
        """All faces in a frame, in pixels of the frame, the surest first."""
        gray, factor = self._shrinker.shrink(frame.pixels)
        return self._whole.search(gray, (0, 0), factor)

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        """The faces in a square of a frame, in pixels of the frame, the surest first."""
        return self._part.search(*self._cutter.cut(frame.pixels, region))


class _Searcher:
    """The network for pictures of one size, with the memory for its input; it wants three channels."""

    def __init__(self, network: NDArray[np.uint8], min_score: float, side_px: int) -> None:
        self._size = (side_px, side_px)
        self._network = cv2.FaceDetectorYN.create(
            "onnx", network, NO_CONFIG, self._size, min_score, NMS_THRESHOLD, MOST_FACES
        )
        self._bgr: ColourImage | None = None

    def search(self, gray: GrayImage, corner: tuple[int, int], factor: float) -> list[Face]:
        size = (gray.shape[1], gray.shape[0])
        if size != self._size:
            self._network.setInputSize(size)
            self._size = size
        self._bgr = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR, dst=self._bgr).astype(np.uint8, copy=False)
        _, found = self._network.detect(self._bgr)
        if found is None:
            return []
        faces = [_face(row, corner, factor) for row in found.tolist()]
        return sorted(faces, key=lambda face: -face.score)


def _face(row: list[float], corner: tuple[int, int], factor: float) -> Face:
    """One row of YuNet's output: box (4), five landmarks (10), score."""
    left, top = corner
    xs, ys = ([start + value * factor for value in row[i:14:2]] for i, start in ((0, left), (1, top)))
    box = Box(xs[0], ys[0], row[2] * factor, row[3] * factor)
    return Face(box, row[14], tuple(zip(xs[2:], ys[2:], strict=True)))
