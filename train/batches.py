"""The stream of training batches: shuffled, augmented, the same for the same seed and step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from keras import ops

from .augment import augment
from .data.dataset import Split
from .recipe import Recipe


class Batches:
    """Endless batches of a split for `Model.fit`.

    Every epoch is a permutation of the split, the incomplete last batch left out. Order and views depend on
    the seed, the epoch and the step alone, so the stream can begin at any epoch.

    Args:
        split: the pictures trained on.
        classes: number of classes.
        recipe: batch size, seed and augmentation.
    """

    def __init__(self, split: Split, classes: int, recipe: Recipe) -> None:
        self._split = split
        self._targets = np.eye(classes, dtype=np.float32)[split.labels]
        self._recipe = recipe
        self.steps_per_epoch = max(1, len(split) // recipe.batch_size)

    def from_epoch(self, epoch: int) -> Iterator[tuple[Any, Any]]:
        """Batches from the first one of an epoch (counted from 0) on, without end.

        Yields:
            Pictures float32 (n, height, width, 1) in [0, 1] and targets float32 (n, classes).
        """
        while True:
            order = np.random.default_rng([self._recipe.seed, epoch]).permutation(len(self._split))
            for step in range(self.steps_per_epoch):
                chosen = order[step * self._recipe.batch_size : (step + 1) * self._recipe.batch_size]
                rng = np.random.default_rng([self._recipe.seed, epoch, step])
                images, mixing = augment(self._split.images[chosen], self._recipe.augmentation, rng)
                targets = self._targets[chosen]
                yield images, ops.convert_to_tensor(mixing.blend(targets) if mixing else targets)
            epoch += 1
