"""From the int8 maps of the detector `edge` to faces: dequantized where something is seen, merged where it is the same.

All in NumPy on whole arrays; a picture without faces costs three comparisons.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.grid import STRIDES_PX, VALUES, cell_centres

SAME_FACE_IOU: Final = 0.3
"""Boxes that overlap more are one face."""
VOTING_IOU: Final = 0.6
"""Boxes that overlap more with the surest of a face have a say in its place, which steadies it."""
MOST_CELLS: Final = 150
"""Of the surest cells are looked at; a face is seen by up to a dozen."""

FloatArray = NDArray[np.float32]


class Decoder:
    """Decodes the maps of pictures of one size.

    Args:
        height_px: of the network's input.
        width_px: likewise.
        offsets: by stride and value, see `edge_card.EdgeCard`.
        factors: likewise, of codes instead of outputs.
    """

    def __init__(self, height_px: int, width_px: int, offsets: FloatArray, factors: FloatArray) -> None:
        centres = [centres.reshape(-1, 2) for centres in cell_centres(height_px, width_px)]
        self._offsets, self._factors = offsets, factors
        places = np.concatenate(centres)
        self._places = np.hstack([places, np.zeros_like(places), np.tile(places, 5)])  # to which a row is relative
        self._counts = [len(one) for one in centres]
        self._map = np.repeat(np.arange(len(STRIDES_PX)), self._counts)
        self._strides_px = np.array(STRIDES_PX, np.float32)[self._map, None]
        self._least: dict[float, NDArray[np.int16]] = {}

    def decode(self, maps: Sequence[NDArray[np.int8]], min_score: float) -> tuple[FloatArray, FloatArray]:
        """The faces in a picture.

        Args:
            maps: by stride, int8 (1, rows, columns, `VALUES`).
            min_score: cells that are less sure are left out; 0 < min_score < 1.

        Returns:
            scores float32 (n,), the surest first, and rows float32 (n, 14) in pixels of the input: x, y, width, height,
            then x, y of five landmarks.
        """
        cells = np.concatenate([codes.reshape(-1, VALUES) for codes in maps])
        hits = (cells[:, 0] >= self._least_codes(min_score)).nonzero()[0]
        if not hits.size:
            return np.empty(0, np.float32), np.empty((0, 14), np.float32)
        stride = self._map[hits]
        values = self._offsets[stride] + self._factors[stride] * cells[hits]
        rows = _rows(values, self._places[hits], self._strides_px[hits])
        return _merge(1 / (1 + np.exp(-values[:, 0])), rows)

    def _least_codes(self, min_score: float) -> NDArray[np.int16]:
        """The smallest code of each cell's score that is at least `min_score`."""
        least = self._least.get(min_score)
        if least is None:
            logit = np.log(min_score / (1 - min_score))
            codes = np.ceil((logit - self._offsets[:, 0]) / self._factors[:, 0] - 1e-4)
            least = self._least[min_score] = np.repeat(codes.clip(-128, 128).astype(np.int16), self._counts)
        return least


def _rows(values: FloatArray, places: FloatArray, strides_px: FloatArray) -> FloatArray:
    rows = values[:, 1:] * strides_px + places
    sides = np.exp(values[:, 3:5]) * strides_px
    rows[:, :2] -= sides / 2
    rows[:, 2:4] = sides
    return rows


def _merge(scores: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the surest cell of each face, its place averaged over the cells that agree with it."""
    order = (-scores).argsort(kind="stable")[:MOST_CELLS]
    scores, rows = scores[order], rows[order]
    overlap = _iou(rows[:, :4])
    free = np.ones(len(scores), np.bool_)
    kept = []
    while free.any():
        surest = int(free.argmax())
        kept.append(surest)
        free &= overlap[surest] <= SAME_FACE_IOU
        free[surest] = False
    votes = (overlap[kept] > VOTING_IOU) * scores
    return scores[kept], (votes @ rows) / votes.sum(axis=1, keepdims=True)


def _iou(boxes: FloatArray) -> FloatArray:
    low, sides = boxes[:, :2], boxes[:, 2:]
    high = low + sides
    overlap = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    np.maximum(overlap, 0, out=overlap)
    shared = overlap[..., 0] * overlap[..., 1]
    area = sides[:, 0] * sides[:, 1]
    return np.asarray(shared / (area[:, None] + area - shared), np.float32)
