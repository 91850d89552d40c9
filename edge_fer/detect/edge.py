"""The detector `edge`: one int8 network on the gray plane, in the same runtime as the classifier, in the package.

It takes any input whose sides are multiples of 16 (see `edge_fer.detect.grid`), so a frame is scaled once, keeping its
aspect, and filled up with black at the right and below.
"""

from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np

from edge_fer.detect.decode import Decoder
from edge_fer.detect.doubt import settle
from edge_fer.detect.edge_card import EdgeCard, load_edge_files
from edge_fer.detect.grid import SIDE_STEP_PX
from edge_fer.detect.scaling import Cutter, Shrinker
from edge_fer.errors import DetectorError, ModelError
from edge_fer.records import Box, Face, Frame, GrayImage
from edge_fer.tflite import INPUT_SCALE, INPUT_ZERO_POINT, open_interpreter

SMALLEST_FACE_PX: Final = 16
"""Width that a face must have in the picture that is searched. Searched larger, a face near the camera would be larger
than any it was trained with."""
_SMALLEST_BOX_PX: Final = 12
"""Mean side in the picture that is searched; smaller boxes are dropped, since the network learned faces from 11 px on
and false ones gather at the limit."""
REGION_PX: Final = 96
"""Side of the picture in which a known face is found again; half of it is the face."""
WEAK: Final = 2 / 3
"""Of the score asked for; what is less sure than that is no face even where one is known to have been, and not worth a
second look where none is."""


class Edge:
    """Detector of faces with five landmarks.

    Args:
        model: the `.tflite` file, its card beside it; None for the shipped one.
        min_score: faces that are less sure, from near by as well, are left out.
        search_px: length of the longer side at which frames are searched.
        threads: CPU threads of the network.

    Raises:
        DetectorError: its files are missing or unusable.
    """

    name = "edge"

    def __init__(
        self, *, model: Path | None = None, min_score: float = 0.75, search_px: int = 320, threads: int = 1
    ) -> None:
        self.min_score = min_score
        self._card, self._content = load_edge_files(model or shipped_file())
        self._threads = threads
        self._shrinker, self._cutter = Shrinker(search_px), Cutter(REGION_PX)
        self._whole = self._open(search_px, search_px * 3 // 4)
        self._part = self._open(REGION_PX, REGION_PX)

    def detect(self, frame: Frame) -> list[Face]:
        """All faces in a frame, in pixels of the frame, the surest first."""
        gray, factor = self._shrinker.shrink(frame.pixels)
        if not self._whole.fits(gray.shape[1], gray.shape[0]):
            self._whole = self._open(gray.shape[1], gray.shape[0])
        found = self._whole.search(gray, (0, 0), factor, WEAK * self.min_score)
        return settle(found, self.min_score, lambda region: self._near(frame, region, self.min_score))

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        """The faces in a square of a frame, in pixels of the frame, the surest first."""
        return self._near(frame, region, WEAK * self.min_score)

    def _near(self, frame: Frame, region: Box, min_score: float) -> list[Face]:
        return self._part.search(*self._cutter.cut(frame.pixels, region), min_score)

    def _open(self, width: int, height: int) -> "_Searcher":
        try:
            return _Searcher(self._content, self._card, width, height, self._threads)
        except ModelError as error:
            raise DetectorError(f"detector edge: {error}") from error


def shipped_file() -> Path:
    """The detector's network in the package, with its card beside it."""
    return Path(str(resources.files("edge_fer").joinpath("models", "detector", "edge.tflite")))


class _Searcher:
    """The network for pictures of one size, with the memory for its input."""

    def __init__(self, content: bytes, card: EdgeCard, width: int, height: int, threads: int) -> None:
        columns, rows = _up(width), _up(height)
        self._interpreter = open_interpreter(content, threads=threads, input_shape=(1, rows, columns, 1))
        takes = self._interpreter.get_input_details()[0]
        gives = sorted(self._interpreter.get_output_details(), key=lambda one: -one["shape"][1])
        scale, zero_point = takes["quantization"]
        if takes["dtype"] is not np.int8 or (np.float32(scale), zero_point) != (INPUT_SCALE, INPUT_ZERO_POINT):
            raise ModelError("the network does not take gray values as int8: quantize it with edge-fer-quantize")
        self._input, self._outputs = takes["index"], [one["index"] for one in gives]
        quantization = np.array([one["quantization"] for one in gives])
        factors = np.array(card.factors) * quantization[:, :1]
        offsets = np.array(card.offsets) - factors * quantization[:, 1:]
        self._decoder = Decoder(rows, columns, offsets.astype(np.float32), factors.astype(np.float32))
        self._codes = np.full((1, rows, columns, 1), INPUT_ZERO_POINT, np.int8)

    def fits(self, width: int, height: int) -> bool:
        return self._codes.shape[1:3] == (_up(height), _up(width))

    def search(self, gray: GrayImage, corner: tuple[int, int], factor: float, min_score: float) -> list[Face]:
        # -128 + gray value, without the detour over a wider type.
        rows, columns = gray.shape
        if (rows, columns) != self._codes.shape[1:3]:
            self._codes.fill(INPUT_ZERO_POINT)
        np.bitwise_xor(gray, 0x80, out=self._codes.view(np.uint8)[0, :rows, :columns, 0])
        self._interpreter.set_tensor(self._input, self._codes)
        self._interpreter.invoke()
        scores, found = self._decoder.decode([self._interpreter.get_tensor(i) for i in self._outputs], min_score)
        left, top = corner
        faces = []
        for score, (x, y, w, h, *points) in zip(scores.tolist(), (found * factor).tolist(), strict=True):
            if w * h < (_SMALLEST_BOX_PX * factor) ** 2:
                continue
            places = tuple((left + px, top + py) for px, py in zip(points[0::2], points[1::2], strict=True))
            faces.append(Face(Box(left + x, top + y, w, h), score, places))
        return faces


def _up(side_px: int) -> int:
    return -(-side_px // SIDE_STEP_PX) * SIDE_STEP_PX
