"""The stream of training batches: balanced, shuffled, augmented, and the same for the same seed and step."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.utils.class_weight import compute_sample_weight

from .augment import augment
from .data.dataset import Dataset
from .data.votes import soft_targets
from .distribute import Share
from .recipe import Recipe


class Batches:
    """Endless training batches for `Model.fit`.

    Every epoch goes once through the training pictures, rare classes repeated or frequent ones thinned out if the
    recipe says so; the incomplete last batch is left out. Order and views depend on the seed, the epoch and the
    step alone, so the stream can begin at any epoch.

    Args:
        dataset: its `train` is used.
        recipe: seed, batch size, balance, targets and augmentation.
        teachers: networks that see the same views and whose mean probabilities are a target.
        share: which rows of each batch are handed out; all when None.
    """

    def __init__(
        self, dataset: Dataset, recipe: Recipe, teachers: Sequence[keras.Model] = (), share: Share | None = None
    ) -> None:
        train = dataset.train
        self._part = (share or Share()).part(recipe.batch_size)
        self._images, self._labels, self._recipe, self._teachers = train.images, train.labels, recipe, teachers
        share = recipe.votes_weight if recipe.use_votes == "targets" else 0.0
        self._targets = soft_targets(train, dataset.classes, share)
        self._votes = train.votes if recipe.use_votes == "head" else None
        self._weights = None
        if recipe.balance == "weights":
            self._weights = compute_sample_weight("balanced", train.labels).astype(np.float32)
        self.steps_per_epoch = max(1, len(self.order(0)) // recipe.batch_size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Indices of the training pictures in the order in which an epoch shows them."""
        rng = np.random.default_rng([self._recipe.seed, epoch])
        if self._recipe.balance in {"none", "weights"}:
            return rng.permutation(len(self._labels))
        members = [np.flatnonzero(self._labels == c) for c in np.unique(self._labels)]
        sizes = [len(m) for m in members]
        if self._recipe.balance == "oversample":
            chosen = [np.resize(rng.permutation(m), max(sizes)) for m in members]
        else:
            chosen = [rng.permutation(m)[: min(sizes)] for m in members]
        return rng.permutation(np.concatenate(chosen))

    def from_epoch(self, epoch: int) -> Iterator[tuple[Any, dict[str, Any], dict[str, Any]]]:
        """Batches from the first one of an epoch (counted from 0) on, without end.

        Yields:
            Pictures float32 (n, height, width, 1) in [0, 1]; the targets of each output of the training model;
            and the weight of each sample for each output, float32 (n,).
        """
        size = self._recipe.batch_size
        while True:
            order = self.order(epoch)
            for step in range(self.steps_per_epoch):
                chosen = np.resize(order[step * size : (step + 1) * size], size)  # a tiny set fills its one batch
                yield self._batch(chosen, np.random.default_rng([self._recipe.seed, epoch, step]))
            epoch += 1

    def _batch(
        self, chosen: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        images, mixing = augment(self._images[chosen], self._recipe.augmentation, rng)
        label = self._targets[chosen]
        weight = np.ones(len(chosen), np.float32) if self._weights is None else self._weights[chosen]
        if mixing:
            label, weight = mixing.blend(label), mixing.blend(weight)
        targets: dict[str, Any] = {"label": self._labels[chosen].astype(np.int32) if self._recipe.loss == "sparse" else label}
        weights: dict[str, Any] = {"label": weight}
        if self._votes is not None:
            votes = self._votes[chosen]
            votes = mixing.blend(votes) if mixing else votes
            targets["votes"], weights["votes"] = votes, (votes.sum(axis=1) > 0).astype(np.float32)
        if self._teachers:
            logits = [np.asarray(t.predict_on_batch(images), np.float32) for t in self._teachers]
            opinions = [softmax(z / self._recipe.distill_temperature, axis=1) for z in logits]
            targets["teacher"], weights["teacher"] = np.mean(opinions, axis=0), np.ones(len(chosen), np.float32)
        targets = {k: ops.convert_to_tensor(v[self._part]) for k, v in targets.items()}
        weights = {k: ops.convert_to_tensor(v[self._part]) for k, v in weights.items()}
        return images[self._part], targets, weights
