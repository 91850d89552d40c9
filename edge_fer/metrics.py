"""How good a classifier is, in numbers that others can recompute; NumPy alone.

Everything takes arrays: `truth` holds the index of the right label, integer (n,); `probabilities` float
(n, labels), rows sum to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Z_95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile: two-sided 95 % intervals."""

Interval: TypeAlias = tuple[float, float]
FloatArray: TypeAlias = NDArray[np.floating[Any]]
IntArray: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One label against the rest; `n` pictures truly show it."""

    precision: float
    recall: float
    f1: float
    n: int


@dataclass(frozen=True, slots=True)
class Scores:
    """What a classifier does on one labelled set.

    Attributes:
        n: pictures.
        accuracy: share of pictures whose most probable label is the right one.
        accuracy_ci95: Wilson's interval of it.
        macro_f1: mean F1 of the labels that occur in the set.
        ece: expected calibration error over 15 equal bins of confidence.
        nll: mean negative log-likelihood of the right label, in nats.
        per_class: by label, in the model's order.
        confusion: rows are the right labels, columns what the model said, in the model's order.
    """

    n: int
    accuracy: float
    accuracy_ci95: Interval
    macro_f1: float
    ece: float
    nll: float
    per_class: dict[str, ClassScores]
    confusion: tuple[tuple[int, ...], ...]


def score(probabilities: FloatArray, truth: IntArray, labels: Sequence[str]) -> Scores:
    """Every score of one labelled set.

    Args:
        probabilities: float (n, labels).
        truth: integer (n,), n at least 1.
        labels: the model's labels in order.
    """
    confusion = confusion_matrix(truth, probabilities.argmax(axis=1), len(labels))
    n, hits = len(truth), int(np.trace(confusion))
    per_class = class_scores(confusion, labels)
    return Scores(
        n=n,
        accuracy=hits / n,
        accuracy_ci95=wilson_interval(hits, n),
        macro_f1=float(np.mean([c.f1 for c in per_class.values() if c.n])),
        ece=expected_calibration_error(probabilities, truth),
        nll=negative_log_likelihood(probabilities, truth),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def confusion_matrix(truth: IntArray, predicted: IntArray, labels: int) -> NDArray[np.int64]:
    """Count pictures by right label (row) and predicted label (column): int64 (labels, labels)."""
    pairs = np.bincount(truth.astype(np.int64) * labels + predicted, minlength=labels * labels)
    return pairs.reshape(labels, labels).astype(np.int64)


def class_scores(confusion: IntArray, labels: Sequence[str]) -> dict[str, ClassScores]:
    """Precision, recall and F1 of every label; 0 where one is undefined, as in scikit-learn."""
    scores = {}
    for index, label in enumerate(labels):
        hits = int(confusion[index, index])
        said, true = int(confusion[:, index].sum()), int(confusion[index].sum())
        scores[label] = ClassScores(
            precision=hits / said if said else 0.0,
            recall=hits / true if true else 0.0,
            f1=2 * hits / (said + true) if said + true else 0.0,
            n=true,
        )
    return scores


def wilson_interval(hits: int, n: int) -> Interval:
    """The 95 % score interval of a proportion (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927)."""
    share = hits / n
    centre = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability(probabilities: FloatArray, truth: IntArray, bins: int = 15) -> tuple[FloatArray, FloatArray, IntArray]:
    """Group pictures by confidence, the probability of the predicted label, into bins of equal width.

    Returns:
        Mean confidence, accuracy (both NaN where a bin is empty) and number of pictures, each (bins,).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    # A bin holds its upper edge: (0, 1/bins], ..., (1 - 1/bins, 1].
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    divisor = np.where(count > 0, count, np.nan)
    mean_confidence = np.bincount(place, weights=confidence, minlength=bins) / divisor
    accuracy = np.bincount(place, weights=right, minlength=bins) / divisor
    return mean_confidence, accuracy, count


def expected_calibration_error(probabilities: FloatArray, truth: IntArray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy, weighted by pictures (Guo et al., ICML 2017, eq. 3)."""
    confidence, accuracy, count = reliability(probabilities, truth, bins)
    filled = count > 0
    gap = np.abs(accuracy[filled] - confidence[filled])
    return float((gap * count[filled]).sum() / count.sum())


def negative_log_likelihood(probabilities: FloatArray, truth: IntArray) -> float:
    """Mean of -ln p(right label), in nats; a probability of 0 counts as the smallest positive float."""
    right = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return float(-np.log(np.maximum(right, np.finfo(np.float64).tiny)).mean())


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided exact p-value that two classifiers are equally often right (Q. McNemar, Psychometrika 12, 1947).

    Args:
        only_first: pictures that the first judges rightly and the second wrongly.
        only_second: the other way round.
    """
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def sign_flips(differences: FloatArray | IntArray, draws: int = 9999) -> float:
    """Two-sided p-value that paired differences are as often for one side as for the other.

    A randomization test (E. S. Edgington and P. Onghena, "Randomization Tests", 2007, chapter 6): if both sides were
    equally good, every difference could as well have had the other sign.

    Args:
        differences: (n,), one for each independent pair, such as a picture that is judged many times.
        draws: of signs, always the same ones; the smallest possible value is 1 / (draws + 1).
    """
    values = np.asarray(differences, np.float64)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), (draws, values.size))
    extreme = np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)
    return float((1 + extreme.sum()) / (draws + 1))


def bootstrap_interval(values: FloatArray, draws: int = 2000) -> Interval:
    """The mean's 95 % interval by the percentiles of resampled means (B. Efron, Annals of Statistics 7, 1979).

    Args:
        values: (n,), independent of each other.
        draws: of n values with replacement, always the same ones.
    """
    chosen = np.random.default_rng(0).integers(0, values.size, (draws, values.size))
    low, high = np.percentile(values[chosen].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)
