import itertools
from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from edge_fer_train.batches import Batches
from edge_fer_train.data.dataset import VOTED, Dataset
from edge_fer_train.distribute import Share
from edge_fer_train.recipe import Augmentation, Recipe

STILL = Augmentation(flip=0, shift=0, rotate=0, zoom_out=1, zoom_in=1, contrast=0)


def rare(data: Dataset) -> Dataset:
    """The bands with 32, 16 and 4 training pictures of the three classes."""
    train = data.train
    keep = [np.flatnonzero(train.labels == c)[:n] for c, n in enumerate((32, 16, 4))]
    return data.with_split("train", train.take(np.concatenate(keep)))


def counts(order: np.ndarray, data: Dataset) -> list[int]:
    return [int(n) for n in np.bincount(data.train.labels[order])]


def test_an_epoch_shows_every_picture_once_in_an_order_of_its_own(bands: Dataset) -> None:
    batches = Batches(bands, Recipe(batch_size=20))
    assert batches.steps_per_epoch == 4
    assert sorted(batches.order(0)) == list(range(96))
    assert not np.array_equal(batches.order(0), batches.order(1))


@pytest.mark.parametrize(
    ("balance", "expected"), [("none", [32, 16, 4]), ("oversample", [32] * 3), ("undersample", [4] * 3)]
)
def test_balance_by_sampling(bands: Dataset, balance: str, expected: list[int]) -> None:
    data = rare(bands)
    batches = Batches(data, Recipe.model_validate({"balance": balance, "batch_size": 4}))
    assert counts(batches.order(0), data) == expected
    assert batches.steps_per_epoch == sum(expected) // 4
    if balance == "oversample":
        assert set(batches.order(0)) == set(range(len(data.train)))
    if balance == "undersample":
        assert set(batches.order(0)) != set(batches.order(1))


def test_balance_by_weights_gives_every_class_the_same_say(bands: Dataset) -> None:
    data = rare(bands)
    recipe = Recipe(balance="weights", batch_size=52, augmentation=STILL)
    _, targets, weights = next(Batches(data, recipe).from_epoch(0))
    say = ops.convert_to_numpy(targets["label"]).T @ ops.convert_to_numpy(weights["label"])
    assert say == pytest.approx(np.full(3, 52 / 3), rel=1e-5)


def test_the_stream_can_begin_at_any_epoch(bands: Dataset) -> None:
    batches = Batches(bands, Recipe(batch_size=32, augmentation=Augmentation(mixup=0.5, erase=0.5)))
    straight = list(itertools.islice(batches.from_epoch(0), 6))
    later = list(itertools.islice(batches.from_epoch(1), 3))
    for (x, y, w), (x2, y2, w2) in zip(straight[3:], later, strict=True):
        assert np.array_equal(x, x2)
        assert np.array_equal(y["label"], y2["label"])
        assert np.array_equal(w["label"], w2["label"])


def test_sparse_targets_are_indices(bands: Dataset) -> None:
    _, targets, _ = next(Batches(bands, Recipe(loss="sparse", batch_size=96)).from_epoch(0))
    assert sorted(ops.convert_to_numpy(targets["label"])) == sorted(bands.train.labels)


def test_votes_for_a_second_head_count_only_where_there_are_some(bands: Dataset) -> None:
    votes = np.zeros((96, len(VOTED)), np.float32)
    votes[:24, 1] = 1
    data = bands.with_split("train", replace(bands.train, votes=votes))
    recipe = Recipe(use_votes="head", batch_size=96, augmentation=STILL)
    _, targets, weights = next(Batches(data, recipe).from_epoch(0))
    assert ops.convert_to_numpy(weights["votes"]).sum() == 24
    assert ops.convert_to_numpy(targets["votes"])[:, 1].sum() == 24


def test_a_blend_with_a_picture_without_votes_is_taught_the_votes_there_are(bands: Dataset) -> None:
    votes = np.zeros((96, len(VOTED)), np.float32)
    votes[:48, 1] = 1
    data = bands.with_split("train", replace(bands.train, votes=votes))
    recipe = Recipe(use_votes="head", batch_size=96, augmentation=STILL.model_copy(update={"mixup": 1.0}))
    _, targets, weights = next(Batches(data, recipe).from_epoch(0))
    taught, weight = ops.convert_to_numpy(targets["votes"]), ops.convert_to_numpy(weights["votes"])
    blended = (weight > 0) & (weight < 1)
    assert blended.sum() > 10
    assert taught[weight > 0].tolist() == [[0, 1, 0, 0, 0, 0, 0, 0]] * int((weight > 0).sum())


def test_teachers_see_the_students_views_unspoiled(bands: Dataset) -> None:
    class Teacher:
        def __init__(self, logits: list[float]) -> None:
            self.logits = logits
            self.seen: np.ndarray | None = None

        def predict_on_batch(self, views: object) -> np.ndarray:
            self.seen = ops.convert_to_numpy(views)
            return np.tile(np.array(self.logits, np.float32), (len(self.seen), 1))

    sure, unsure = Teacher([4, 0, 0]), Teacher([0, 0, 0])
    recipe = Recipe(teachers=("a", "b"), distill_temperature=2, batch_size=16)
    views, targets, _ = next(Batches(bands, recipe, [sure, unsure]).from_epoch(0))
    assert sure.seen is not None
    assert np.array_equal(sure.seen, ops.convert_to_numpy(views))
    expected = (np.exp(2) / (np.exp(2) + 2) + 1 / 3) / 2
    assert ops.convert_to_numpy(targets["teacher"])[:, 0] == pytest.approx(np.full(16, expected))
    noisy = recipe.model_copy(update={"augmentation": Augmentation(noise=1.0)})
    spoiled, _, _ = next(Batches(bands, noisy, [sure]).from_epoch(0))
    assert np.array_equal(sure.seen, ops.convert_to_numpy(views))
    assert not np.array_equal(ops.convert_to_numpy(spoiled), ops.convert_to_numpy(views))


def test_processes_share_a_batch_between_them(bands: Dataset) -> None:
    recipe = Recipe(batch_size=32, augmentation=Augmentation(mixup=1.0))
    whole, y, _ = next(Batches(bands, recipe).from_epoch(0))
    parts = [next(Batches(bands, recipe, share=Share(i, 2)).from_epoch(0)) for i in range(2)]
    assert np.array_equal(np.concatenate([p[0] for p in parts]), whole)
    assert np.array_equal(np.concatenate([p[1]["label"] for p in parts]), y["label"])
