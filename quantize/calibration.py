"""Chooses the pictures that set the ranges of a quantized network, and fits its temperature."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.labelled import LabelledPicture
from edge_fer.metrics import FloatArray, IntArray
from edge_fer.preprocess import Size, resize_face
from edge_fer.tflite import softmax

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the temperature; a trained network's lies between 0.5 and 3."""


def balanced_list(
    pictures: Sequence[LabelledPicture], labels: Sequence[str], per_class: int, seed: int
) -> list[LabelledPicture]:
    """Draw the same number of pictures of each label, the same ones for the same seed.

    The frequent labels of a data set would otherwise set the ranges for all. A label with fewer pictures than
    asked for gives all it has.

    Args:
        pictures: to choose from, in a stable order.
        labels: the model's.
        per_class: how many of each label.
        seed: of the draw.

    Raises:
        DataError: a label has no picture.
    """
    chosen: list[LabelledPicture] = []
    for number, label in enumerate(labels):
        candidates = [picture for picture in pictures if picture.label == label]
        if not candidates:
            raise DataError(f"no picture of {label!r} to calibrate with: every label of the model needs some")
        # One stream per label: a change of one label's pictures leaves the draw of the others alone.
        order = np.random.default_rng([seed, number]).permutation(len(candidates))
        chosen += [candidates[index] for index in sorted(order[:per_class])]
    return chosen


def read_pictures(pictures: Sequence[LabelledPicture], size: Size) -> NDArray[np.uint8]:
    """Decode pictures and scale them to a network's input: uint8 (n, height, width)."""
    return np.stack([resize_face(picture.read(), size) for picture in pictures])


def fit_temperature(logits: FloatArray, truth: IntArray) -> float:
    """The temperature whose softmax makes the right labels most likely (Guo et al., ICML 2017, section 4.2).

    The negative log-likelihood is convex in the temperature's inverse, so the zero of its derivative is found by
    bisection.

    Args:
        logits: float (n, labels).
        truth: integer (n,), the right labels.
    """
    right = logits[np.arange(len(truth)), truth]

    def slope(inverse: float) -> float:
        expected = (softmax(logits, 1 / inverse) * logits).sum(axis=1)
        return float((expected - right).mean())

    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(middle) > 0 else (middle, high)
    return 2 / (low + high)
