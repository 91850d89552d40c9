"""What a network says of labelled face crops, by the way that the daemon's crops take."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_fer.card import Card
from edge_fer.errors import DataError
from edge_fer.labelled import LabelledPicture
from edge_fer.preprocess import resize_face, to_model_input
from edge_fer.tflite import Network


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a network said of labelled pictures.

    Attributes:
        logits: float32 (n, labels).
        truth: int64 (n,), the right labels as indices into the model's, or into those that were given.
        ms_per_image: median time from decoded picture to logits, in milliseconds.
    """

    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    ms_per_image: float


def judge(network: Network, card: Card, pictures: Sequence[LabelledPicture], labels: Sequence[str] = ()) -> Judgement:
    """Run a network over labelled face crops.

    Args:
        network: to run.
        card: its card.
        pictures: to judge.
        labels: those that the pictures may have, if not the model's.

    Raises:
        DataError: a picture cannot be read, or has another label.
    """
    truth = label_indices(pictures, labels or card.labels)
    logits = np.empty((len(pictures), len(card.labels)), np.float32)
    spent_ns = []
    for row, picture in zip(logits, pictures, strict=True):
        pixels = picture.read()
        start_ns = time.perf_counter_ns()
        row[:] = network.logits(to_model_input(resize_face(pixels, card.input_size)))
        spent_ns.append(time.perf_counter_ns() - start_ns)
    return Judgement(logits, truth, float(np.median(spent_ns)) / 1e6)


def label_indices(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> NDArray[np.int64]:
    """The pictures' labels as indices into a model's: int64 (n,).

    Raises:
        DataError: a label is not one of the model's.
    """
    index = {label: number for number, label in enumerate(labels)}
    for picture in pictures:
        if picture.label not in index:
            raise DataError(
                f"{picture.source}: {picture.label!r} is no label of the model, which knows {', '.join(labels)}"
            )
    return np.array([index[picture.label] for picture in pictures], np.int64)
