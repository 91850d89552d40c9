"""How good a network is on a split."""

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss

from .augment import plain
from .data.dataset import Split


@dataclass(frozen=True, slots=True)
class Scores:
    """Accuracy and macro-averaged F1 (0 to 1), and cross-entropy in nats."""

    accuracy: float
    macro_f1: float
    loss: float


def predict(net: keras.Model, images: NDArray[np.uint8], batch_size: int = 512) -> NDArray[np.float64]:
    """Class probabilities of pictures.

    Args:
        net: puts out logits (n, classes).
        images: uint8 (n, height, width).
        batch_size: pictures per step.

    Returns:
        float64 (n, classes), rows sum to 1.
    """
    parts = [
        np.asarray(net.predict_on_batch(plain(images[i : i + batch_size])), np.float64)
        for i in range(0, len(images), batch_size)
    ]
    probabilities: NDArray[np.float64] = softmax(np.concatenate(parts), axis=1)
    return probabilities


def score(probabilities: NDArray[np.float64], split: Split) -> Scores:
    """Judge probabilities (n, classes) by a split's labels."""
    guess = probabilities.argmax(axis=1)
    classes = np.arange(probabilities.shape[1])
    return Scores(
        accuracy=float(accuracy_score(split.labels, guess)),
        macro_f1=float(f1_score(split.labels, guess, labels=classes, average="macro", zero_division=0)),
        loss=float(log_loss(split.labels, probabilities, labels=classes)),
    )
