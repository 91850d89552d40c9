"""What each cell of the network should say about the faces of a batch.

Every face teaches the cells around its centre on the maps whose stride fits its size; a ring around them, maps that
would almost fit, faces that are too small or hardly visible and the teacher's doubts are left out of the score's loss.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.grid import STRIDES_PX, VALUES, cell_centres

TARGET_VALUES: Final = VALUES + 2
"""Score, weight of the score, weight of box and landmarks, box (4), landmarks (10)."""

_SIZES_PX: Final = ((0.0, 40.0), (24.0, 88.0), (64.0, np.inf))
"""Sizes (root of the area) that each stride is taught; neighbours overlap."""
_NEAR: Final = 1.5
"""Sizes beyond those limits by up to this factor are neither faces nor background on a map."""
_CORE: Final = 0.2
_RING: Final = 0.42
_REACH_CELLS: Final = 4
_SURE: Final = 0.9
"""Teacher score that is taught as certainty."""


@dataclass(frozen=True, slots=True)
class Faces:
    """Faces of a batch, one row each.

    Attributes:
        sample: int64 (n,), index of the picture.
        boxes: float32 (n, 4), x, y, width, height in pixels.
        landmarks: float32 (n, 5, 2) in pixels.
        scores: float32 (n,), the teacher's; 0 where it cannot be said whether it is a face.
    """

    sample: NDArray[np.int64]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    def only(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> "Faces":
        """Some of them."""
        return Faces(self.sample[which], self.boxes[which], self.landmarks[which], self.scores[which])


def make_targets(faces: Faces, pictures: int, height_px: int, width_px: int) -> NDArray[np.float32]:
    """Targets of all cells of a batch.

    Args:
        faces: of the batch.
        pictures: in the batch.
        height_px: of the pictures.
        width_px: likewise.

    Returns:
        float32 (pictures, cells, `TARGET_VALUES`); the cells of all strides row by row, the smallest stride first.
    """
    maps = []
    order = np.argsort(-faces.boxes[:, 2] * faces.boxes[:, 3], kind="stable")  # the smaller face is written last
    faces = faces.only(order)
    known = faces.scores > 0
    for centres, stride, sizes in zip(cell_centres(height_px, width_px), STRIDES_PX, _SIZES_PX, strict=True):
        target = np.zeros((pictures, *centres.shape[:2], TARGET_VALUES), np.float32)
        target[..., 1] = 1
        _hide(target, centres, faces.only(~known))
        _teach(target, centres, faces.only(known), stride, sizes)
        maps.append(target.reshape(pictures, -1, TARGET_VALUES))
    return np.concatenate(maps, axis=1)


def _hide(target: NDArray[np.float32], centres: NDArray[np.float32], faces: Faces) -> None:
    xs, ys = centres[0, :, 0], centres[:, 0, 1]
    for sample, (x, y, w, h) in zip(faces.sample, faces.boxes.tolist(), strict=True):
        left, right = np.searchsorted(xs, [x - 0.1 * w, x + 1.1 * w])
        top, bottom = np.searchsorted(ys, [y - 0.1 * h, y + 1.1 * h])
        target[sample, max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1, 1] = 0


def _teach(
    target: NDArray[np.float32],
    centres: NDArray[np.float32],
    faces: Faces,
    stride: int,
    sizes: tuple[float, float],
) -> None:
    boxes, landmarks, scores = faces.boxes, faces.landmarks, faces.scores
    rows, columns = centres.shape[:2]
    middle = boxes[:, :2] + boxes[:, 2:] / 2
    size = np.sqrt(boxes[:, 2] * boxes[:, 3])
    nearest = np.rint((middle - centres[0, 0]) / stride).astype(np.int64)
    reach = np.arange(-_REACH_CELLS, _REACH_CELLS + 1)
    row = nearest[:, 1, None, None] + reach[None, :, None]
    column = nearest[:, 0, None, None] + reach[None, None, :]
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    dx = centres[0, 0, 0] + stride * column - middle[:, 0, None, None]
    dy = centres[0, 0, 1] + stride * row - middle[:, 1, None, None]
    distance = np.hypot(dx / boxes[:, 2, None, None], dy / boxes[:, 3, None, None])
    is_nearest = (reach[:, None] == 0) & (reach[None, :] == 0)
    fits = ((size > sizes[0]) & (size <= sizes[1]))[:, None, None]
    nearly = ((size > sizes[0] / _NEAR) & (size <= sizes[1] * _NEAR))[:, None, None]
    core = (distance < _CORE) | is_nearest
    ring = ((distance < _RING) | core) & nearly & inside
    face, i, j = np.nonzero(ring)
    target[faces.sample[face], row[face, i, 0], column[face, 0, j], 1] = 0
    face, i, j = np.nonzero(core & fits & inside)
    r, c = row[face, i, 0], column[face, 0, j]
    cell = centres[r, c]
    values = np.empty((len(face), TARGET_VALUES), np.float32)
    values[:, 0] = np.minimum(scores[face] / _SURE, 1)
    values[:, 1:3] = 1
    values[:, 3:5] = (middle[face] - cell) / stride
    values[:, 5:7] = np.log(boxes[face, 2:] / stride)
    values[:, 7:] = ((landmarks[face] - cell[:, None]) / stride).reshape(-1, 10)
    target[faces.sample[face], r, c] = values
