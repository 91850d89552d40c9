import math
from collections import Counter

import numpy as np
import pytest

from edge_fer.errors import DataError
from edge_fer.labelled import LabelledPicture
from edge_fer.metrics import negative_log_likelihood
from edge_fer.tflite import softmax
from edge_fer_quantize.calibration import balanced_list, fit_temperature, read_pictures


def pictures(**counts: int) -> list[LabelledPicture]:
    return [
        LabelledPicture(f"{label}/{number}", label, lambda gray=number: np.full((4, 4), gray, np.uint8))  # type: ignore[misc]
        for label, count in counts.items()
        for number in range(count)
    ]


def test_every_label_gives_the_same_number() -> None:
    chosen = balanced_list(pictures(happy=100, sad=20, disgust=3), ("sad", "disgust", "happy"), 10, seed=0)
    assert Counter(one.label for one in chosen) == {"happy": 10, "sad": 10, "disgust": 3}
    assert len({one.source for one in chosen}) == 23


def test_the_seed_decides_the_choice() -> None:
    def sources(seed: int) -> list[str]:
        return [one.source for one in balanced_list(pictures(happy=50, sad=50), ("happy", "sad"), 5, seed)]

    assert sources(1) == sources(1)
    assert sources(1) != sources(2)


def test_a_label_is_drawn_whatever_the_others_have() -> None:
    few = balanced_list(pictures(happy=50, sad=10), ("happy", "sad"), 5, seed=0)
    many = balanced_list(pictures(happy=50, sad=90), ("happy", "sad"), 5, seed=0)
    assert [one.source for one in few[:5]] == [one.source for one in many[:5]]


def test_a_label_without_a_picture() -> None:
    with pytest.raises(DataError, match="no picture of 'sad' to calibrate with"):
        balanced_list(pictures(happy=5), ("happy", "sad"), 5, seed=0)


def test_pictures_are_read_at_the_size_of_the_network() -> None:
    read = read_pictures(pictures(happy=3), (2, 6))
    assert read.dtype == np.uint8
    assert read.shape == (3, 2, 6)
    assert read[:, 0, 0].tolist() == [0, 1, 2]


def test_temperature_of_a_coin_by_hand() -> None:
    # Always logits 3 and 0, right in 3 of 4: sigmoid(3 / T) = 3/4 at T = 3 / ln 3.
    logits = np.tile([3.0, 0.0], (4, 1))
    assert fit_temperature(logits, np.array([0, 0, 0, 1])) == pytest.approx(3 / math.log(3), rel=1e-6)


def test_temperature_is_recovered_and_lowers_the_likelihood() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (5000, 7))
    chances = softmax(logits, 2.5).cumsum(axis=1)
    truth = (rng.random((5000, 1)) < chances).argmax(axis=1)
    temperature = fit_temperature(logits, truth)
    assert temperature == pytest.approx(2.5, rel=0.05)
    fitted = negative_log_likelihood(softmax(logits, temperature), truth)
    assert fitted < negative_log_likelihood(softmax(logits), truth)
    for other in (0.98, 1.02):
        assert fitted < negative_log_likelihood(softmax(logits, temperature * other), truth)


def test_a_network_that_is_always_right_is_made_no_surer_than_the_bound() -> None:
    assert fit_temperature(np.array([[5.0, 0.0]]), np.array([0])) == pytest.approx(0.05, rel=1e-3)
