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
        self._offsets, self._factors = offsets, factors
        self._centres = [centres.reshape(-1, 2) for centres in cell_centres(height_px, width_px)]

    def decode(self, maps: Sequence[NDArray[np.int8]], min_score: float) -> tuple[FloatArray, FloatArray]:
        """The faces in a picture.

        Args:
            maps: by stride, int8 (1, rows, columns, `VALUES`).
            min_score: cells that are less sure are left out; 0 < min_score < 1.

        Returns:
            scores float32 (n,), the surest first, and rows float32 (n, 14) in pixels of the input: x, y, width, height,
            then x, y of five landmarks.
        """
        least = np.log(min_score / (1 - min_score))
        logits, rows = [], []
        for codes, centres, stride, offset, factor in zip(
            maps, self._centres, STRIDES_PX, self._offsets, self._factors, strict=True
        ):
            cells = codes.reshape(-1, VALUES)
            hits = np.flatnonzero(cells[:, 0] >= np.ceil((least - offset[0]) / factor[0] - 1e-4))
            if hits.size:
                values = offset + factor * cells[hits]
                logits.append(values[:, 0])
                rows.append(_rows(values, centres[hits], stride))
        if not logits:
            return np.empty(0, np.float32), np.empty((0, 14), np.float32)
        return _merge(1 / (1 + np.exp(-np.concatenate(logits))), np.concatenate(rows))


def _rows(values: FloatArray, centres: FloatArray, stride: int) -> FloatArray:
    rows = np.empty((len(values), VALUES - 1), np.float32)
    sides = np.exp(values[:, 3:5]) * stride
    rows[:, :2] = centres + values[:, 1:3] * stride - sides / 2
    rows[:, 2:4] = sides
    rows[:, 4:] = values[:, 5:] * stride + np.tile(centres, 5)
    return rows


def _merge(scores: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the surest cell of each face, its place averaged over the cells that agree with it."""
    order = np.argsort(-scores, kind="stable")[:MOST_CELLS]
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
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    shared = np.maximum(sides[..., 0], 0) * np.maximum(sides[..., 1], 0)
    area = boxes[:, 2] * boxes[:, 3]
    return np.asarray(shared / (area[:, None] + area - shared), np.float32)
