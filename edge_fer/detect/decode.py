"""From the int8 maps of the detector `edge` to faces: dequantized where something is seen, merged where it is the same.

All in NumPy on whole arrays; a picture without faces costs three comparisons.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.grid import STRIDES_PX, VALUES, cell_centres

SAME_FACE: Final = 0.5
"""Two boxes that share more of the smaller one's area are of the same face, or one is of a part of it."""
VOTING_IOU: Final = 0.6
"""Boxes that overlap more with the surest of a face have a say in its place, which steadies it …"""
VOTING_SHARE: Final = 0.8
"""… if their scores are at least this share of its: what sees a face at a slant knows less of where it ends."""
MOST_CELLS: Final = 150
"""Of the surest cells are looked at; a face is seen by up to a dozen."""

FloatArray = NDArray[np.float32]

_PLACES: Final = [1, 2, *range(5, VALUES)]
"""Of a cell's values those that are relative to its middle, in strides: x and y of the box's middle, the landmarks'."""
_LOG_SIDES: Final = [3, 4]


class Decoder:
    """Decodes the maps of pictures of one size.

    Args:
        height_px: of the network's input.
        width_px: likewise.
        offsets: by stride and value, see `edge_card.EdgeCard`.
        factors: likewise, of codes instead of outputs.
    """

    def __init__(self, height_px: int, width_px: int, offsets: FloatArray, factors: FloatArray) -> None:
        middles = [centres.reshape(-1, 2) for centres in cell_centres(height_px, width_px)]
        self._counts = [len(one) for one in middles]
        # Each cell has its own: what is in strides becomes pixels, and what is relative to the cell's middle absolute.
        self._offsets, self._factors = (np.repeat(values, self._counts, axis=0) for values in (offsets, factors))
        strides_px = np.repeat(np.array(STRIDES_PX, np.float32), self._counts)[:, None]
        self._offsets[:, _PLACES] = self._offsets[:, _PLACES] * strides_px + np.tile(np.concatenate(middles), 6)
        self._factors[:, _PLACES] *= strides_px
        self._offsets[:, _LOG_SIDES] += np.log(strides_px)
        self._scores = offsets[:, 0], factors[:, 0]
        self._below: dict[float, NDArray[np.int8]] = {}

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
        hits = (cells[:, 0] > self._codes_below(min_score)).nonzero()[0]
        if not hits.size:
            return np.empty(0, np.float32), np.empty((0, 14), np.float32)
        values = self._offsets.take(hits, 0) + self._factors.take(hits, 0) * cells.take(hits, 0)
        rows = values[:, 1:]
        sides = rows[:, 2:4]
        np.exp(sides, out=sides)
        rows[:, :2] -= sides / 2
        return _merge(1 + np.exp(-values[:, 0]), rows)

    def _codes_below(self, min_score: float) -> NDArray[np.int8]:
        """The largest code of each cell's score that is less than `min_score`."""
        below = self._below.get(min_score)
        if below is None:
            offsets, factors = self._scores
            codes = np.ceil((np.log(min_score / (1 - min_score)) - offsets) / factors - 1e-4) - 1
            below = self._below[min_score] = np.repeat(codes.clip(-128, 127).astype(np.int8), self._counts)
        return below


def _merge(inverse_scores: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the surest cell of each face, its place averaged over the cells that agree with it."""
    order = inverse_scores.argsort(kind="stable")[:MOST_CELLS]
    scores: FloatArray = np.reciprocal(inverse_scores.take(order))
    rows = rows.take(order, 0)
    low, sides = rows[:, :2], rows[:, 2:4]
    high, area = low + sides, sides[:, 0] * sides[:, 1]
    free = np.ones(len(scores), np.bool_)
    surest, merged = [], []
    while free[one := int(free.argmax())]:
        shared = np.minimum(high, high[one]) - np.maximum(low, low[one])
        np.maximum(shared, 0, out=shared)
        common = shared[:, 0] * shared[:, 1]
        free &= common <= SAME_FACE * np.minimum(area, area[one])  # which leaves itself out, too
        overlap = common / (area + area[one] - common)
        votes = (overlap > VOTING_IOU) * (scores >= VOTING_SHARE * scores[one]) * scores
        surest.append(one)
        merged.append(votes @ rows / votes.sum())
    return scores.take(surest), np.array(merged)
