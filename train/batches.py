"""The stream of training batches: balanced, shuffled, augmented, and the same for the same seed and step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from edge_fer.errors import ConfigError
from edge_fer.tflite import softmax

from .augment import augment
from .data.dataset import Dataset, Images
from .data.votes import soft_targets
from .distribute import ALONE, Share
from .recipe import Recipe


class Batches:
    """Endless training batches for `Model.fit`.

    Every epoch goes once through the training pictures, rare classes repeated or frequent ones thinned out if the
    recipe says so; the incomplete last batch is left out. Order and views depend on the seed, the epoch and the
    step alone, so the stream can begin at any epoch.

    Args:
        dataset: its `stream` is used, or where there is none its `train`.
        recipe: seed, batch size, balance, targets and augmentation.
        teachers: networks that see the same views, unspoiled, and whose mean probabilities are a target.
        share: which rows of each batch are handed out.

    Raises:
        ConfigError: the recipe asks for what a stream cannot give.
    """

    def __init__(
        self, dataset: Dataset, recipe: Recipe, teachers: Sequence[keras.Model] = (), share: Share = ALONE
    ) -> None:
        self._train, self._stream, self._recipe, self._teachers = dataset.train, dataset.stream, recipe, teachers
        if self._stream and (recipe.use_votes != "none" or recipe.balance in {"oversample", "undersample"}):
            raise ConfigError("votes, oversample and undersample need all pictures at hand: not with shards.")
        if self._stream and len(self._stream) < recipe.batch_size:
            raise ConfigError(
                f"batch_size: {recipe.batch_size}: the shards hold {len(self._stream)} pictures to train on: take less."
            )
        self._part = share.part(recipe.batch_size)
        crowd = recipe.votes_weight if recipe.use_votes == "targets" else 0.0
        self._soft = soft_targets(dataset.train, dataset.classes, crowd)
        self._votes = dataset.train.votes if recipe.use_votes == "head" else None
        self._hard = np.eye(len(dataset.classes), dtype=np.float32)
        counts = self._stream.counts if self._stream else np.bincount(self._train.labels, minlength=len(self._hard))
        self._class_weight = np.ones(len(counts), np.float32)
        if recipe.balance == "weights":
            self._class_weight = (counts.sum() / (len(counts) * counts)).astype(np.float32)
        shown = len(self._stream) if self._stream else len(self.order(0))
        self.steps_per_epoch = max(1, shown // recipe.batch_size)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Indices of the training pictures in the order in which an epoch shows them."""
        labels = self._train.labels
        rng = np.random.default_rng([self._recipe.seed, epoch])
        if self._recipe.balance in {"none", "weights"}:
            return rng.permutation(len(labels))
        members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
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
        while True:
            for step, sample in enumerate(self._samples(epoch)):
                yield self._batch(sample, np.random.default_rng([self._recipe.seed, epoch, step]))
            epoch += 1

    def _samples(self, epoch: int) -> Iterator["_Sample"]:
        size = self._recipe.batch_size
        if self._stream:
            rng = np.random.default_rng([self._recipe.seed, epoch])
            for images, labels in self._stream.batches(size, rng):
                yield _Sample(images, labels, self._hard[labels], None)
            return
        order = self.order(epoch)
        for step in range(self.steps_per_epoch):
            chosen = np.resize(order[step * size : (step + 1) * size], size)  # a tiny set fills its one batch
            votes = None if self._votes is None else self._votes[chosen]
            yield _Sample(self._train.images[chosen], self._train.labels[chosen], self._soft[chosen], votes)

    def _batch(self, sample: "_Sample", rng: np.random.Generator) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        views = augment(sample.images, self._recipe.augmentation, rng)
        blend = views.mixing.blend if views.mixing else lambda values: values
        targets: dict[str, Any] = {"label": blend(sample.targets)}
        weights: dict[str, Any] = {"label": blend(self._class_weight[sample.labels])}
        if self._recipe.loss == "sparse":
            targets["label"] = sample.labels.astype(np.int32)
        if sample.votes is not None:
            votes = blend(sample.votes)
            known = votes.sum(axis=1)  # less than 1 where one of two blended pictures has no votes
            targets["votes"] = np.divide(votes, known[:, None], out=votes, where=known[:, None] > 0)
            weights["votes"] = known.astype(np.float32)
        if self._teachers:
            logits = [np.asarray(t.predict_on_batch(views.unspoiled), np.float32) for t in self._teachers]
            opinions = [softmax(z, self._recipe.distill_temperature).astype(np.float32) for z in logits]
            targets["teacher"] = np.mean(opinions, axis=0)
            weights["teacher"] = np.ones(len(sample.labels), np.float32)
        targets = {k: ops.convert_to_tensor(v[self._part]) for k, v in targets.items()}
        weights = {k: ops.convert_to_tensor(v[self._part]) for k, v in weights.items()}
        return views.images[self._part], targets, weights


@dataclass(frozen=True, slots=True)
class _Sample:
    """A batch before augmentation: uint8 (n, height, width), int64 (n,), float32 (n, classes) and (n, 8)."""

    images: Images
    labels: NDArray[np.int64]
    targets: NDArray[np.float32]
    votes: NDArray[np.float32] | None
