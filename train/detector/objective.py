"""The loss of the detector, in operations that every engine has.

Scores: quality focal loss with the teacher's score as target (Li et al., Generalized Focal Loss, NeurIPS 2020).
Boxes: generalized IoU (Rezatofighi et al., CVPR 2019). Landmarks: Huber, in sizes of the face.
"""

from collections.abc import Callable
from typing import Any, Final

from keras import ops

_WIDEST: Final = 4.0
"""Logarithms of widths are cut here: no face has e^4 strides, and early mistakes must not overflow."""
_HUBER: Final = 0.05


def make_loss(box_weight: float, landmark_weight: float) -> Callable[[Any, Any], Any]:
    """The loss for `Model.compile`: of targets as `targets.make_targets` makes them, and predictions."""

    def loss(target: Any, predicted: Any) -> Any:
        predicted = ops.cast(predicted, "float32")
        weight = target[..., 2]
        cells = ops.maximum(ops.sum(weight), 1.0)
        scores = ops.sum(_focal(target[..., 0], predicted[..., 0]) * target[..., 1])
        boxes = ops.sum((1 - _generalized_iou(target[..., 3:7], predicted[..., 1:5])) * weight)
        size = ops.exp(ops.mean(target[..., 5:7], axis=-1, keepdims=True))
        points = _huber((predicted[..., 5:15] - target[..., 7:17]) / size)
        landmarks = ops.sum(ops.mean(points, axis=-1) * weight)
        return (scores + box_weight * boxes + landmark_weight * landmarks) / cells

    return loss


def _focal(target: Any, logit: Any) -> Any:
    cross_entropy = ops.maximum(logit, 0.0) - logit * target + ops.softplus(-ops.abs(logit))
    return ops.square(target - ops.sigmoid(logit)) * cross_entropy


def _generalized_iou(a: Any, b: Any) -> Any:
    ax1, ay1, ax2, ay2 = _corners(a)
    bx1, by1, bx2, by2 = _corners(b)
    overlap = _length(ax1, ax2, bx1, bx2) * _length(ay1, ay2, by1, by2)
    union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - overlap
    hull = (ops.maximum(ax2, bx2) - ops.minimum(ax1, bx1)) * (ops.maximum(ay2, by2) - ops.minimum(ay1, by1))
    return overlap / union - (hull - union) / hull


def _corners(box: Any) -> tuple[Any, Any, Any, Any]:
    half = ops.exp(ops.clip(box[..., 2:4], -_WIDEST, _WIDEST)) / 2
    low, high = box[..., :2] - half, box[..., :2] + half
    return low[..., 0], low[..., 1], high[..., 0], high[..., 1]


def _length(a1: Any, a2: Any, b1: Any, b2: Any) -> Any:
    return ops.maximum(ops.minimum(a2, b2) - ops.maximum(a1, b1), 0.0)


def _huber(error: Any) -> Any:
    size = ops.abs(error)
    return ops.where(size < _HUBER, ops.square(error) / (2 * _HUBER), size - _HUBER / 2)
