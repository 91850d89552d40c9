import math

import numpy as np
import pytest

from edge_fer.metrics import (
    ClassScores,
    bootstrap_interval,
    class_scores,
    confusion_matrix,
    expected_calibration_error,
    mcnemar,
    negative_log_likelihood,
    reliability,
    score,
    sign_flips,
    wilson_interval,
)

LABELS = ("a", "b", "c")
TRUTH = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 0, 1])


def test_confusion_has_truth_in_rows() -> None:
    assert confusion_matrix(TRUTH, PREDICTED, 3).tolist() == [[2, 1, 0], [1, 1, 0], [0, 1, 0]]


def test_confusion_counts_labels_that_never_occur() -> None:
    assert confusion_matrix(np.array([0]), np.array([0]), 2).tolist() == [[1, 0], [0, 0]]


def test_class_scores_by_hand() -> None:
    scores = class_scores(np.array([[2, 1, 0], [1, 1, 0], [0, 1, 0]]), LABELS)
    assert scores["a"] == ClassScores(precision=2 / 3, recall=2 / 3, f1=2 / 3, n=3)
    assert scores["b"] == ClassScores(precision=1 / 3, recall=1 / 2, f1=2 / 5, n=2)
    assert scores["c"] == ClassScores(precision=0.0, recall=0.0, f1=0.0, n=1)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_interval_as_published(hits: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_stays_within_0_and_1() -> None:
    assert wilson_interval(20, 20)[1] == 1.0
    assert wilson_interval(0, 20)[0] == 0.0


def test_a_bin_holds_its_upper_edge() -> None:
    probabilities = np.array([[0.5, 0.5], [0.75, 0.25], [0.25, 0.75], [1.0, 0.0]])
    confidence, accuracy, count = reliability(probabilities, np.array([0, 0, 0, 0]), bins=4)
    assert count.tolist() == [0, 1, 2, 1]
    assert confidence[1:].tolist() == [0.5, 0.75, 1.0]
    assert accuracy[1:].tolist() == [1.0, 0.5, 1.0]
    assert math.isnan(confidence[0])
    assert math.isnan(accuracy[0])


def test_calibration_error_by_hand() -> None:
    # Two pictures at 0.9, one of them right; two at 0.6, both right: (2 * 0.4 + 2 * 0.4) / 4.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert expected_calibration_error(probabilities, np.array([0, 1, 0, 0])) == pytest.approx(0.4)


def test_likelihood_by_hand() -> None:
    probabilities = np.array([[0.5, 0.5], [0.25, 0.75]])
    assert negative_log_likelihood(probabilities, np.array([0, 0])) == pytest.approx(math.log(8) / 2)


def test_an_impossible_truth_has_a_finite_likelihood() -> None:
    assert negative_log_likelihood(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(708.396, abs=1e-3)


def test_macro_f1_leaves_out_labels_that_do_not_occur() -> None:
    probabilities = np.eye(3)[[0, 1, 1]]
    scores = score(probabilities, np.array([0, 0, 1]), LABELS)
    assert scores.n == 3
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.macro_f1 == pytest.approx(2 / 3)  # a: 2/3, b: 2/3, c does not occur
    assert scores.confusion == ((1, 1, 0), (0, 1, 0), (0, 0, 0))
    assert list(scores.per_class) == ["a", "b", "c"]


@pytest.mark.parametrize(("first", "second", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 6, 1 / 32), (1, 9, 22 / 1024)])
def test_mcnemar_is_an_exact_sign_test(first: int, second: int, p: float) -> None:
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(p)


def test_mcnemar_of_many_pictures_neither_overflows_nor_rounds_to_nothing() -> None:
    assert 0 < mcnemar(900, 1100) < 1e-4


def test_signs_are_flipped_by_pairs() -> None:
    assert sign_flips(np.zeros(5)) == 1
    assert sign_flips(np.ones(6)) == pytest.approx(2 / 2**6, abs=0.004)
    assert sign_flips(np.array([7, -7])) == 1
    # One picture that is judged 28 times is one picture.
    assert sign_flips(np.array([28, 0, 0, 0, 0])) == 1


def test_equally_good_judges_differ_as_often_as_the_level_says() -> None:
    """Twenty-eight judgements of a picture, all the same, of 60 pictures."""
    rng = np.random.default_rng(1)
    alarms = [sign_flips(28 * (rng.random(60) < 0.3) - 28 * (rng.random(60) < 0.3), 999) < 0.05 for _ in range(200)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.035)


def test_a_bootstrapped_interval() -> None:
    values = np.repeat([0.0, 1.0], 50)
    low, high = bootstrap_interval(values)
    assert (low, high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.011)
    assert bootstrap_interval(np.full(9, 0.25)) == (0.25, 0.25)
