"""Finds views without faces on which the network sees one, for the batches to show again."""

import logging
from typing import Any

import keras
import numpy as np

from edge_fer.detect.grid import cell_centres

from .batches import Batches
from .compose import MINED_PX, Composer, Look, recentred
from .recipe import DetectorRecipe

log = logging.getLogger(__name__)

_FIRES = 0.12
"""Score from which a view is remembered; the threshold of a trained detector lies far above."""
_HARD = 0.3
"""Share of the fresh views that may be remembered: early in a run the network fires nearly everywhere."""
_AT_ONCE = 64


class Mining(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Looks at fresh faceless views every few epochs, and again at some of the remembered ones.

    Args:
        composer: makes the views.
        batches: receive the hard ones.
        recipe: how many, how often.
    """

    def __init__(self, composer: Composer, batches: Batches, recipe: DetectorRecipe) -> None:
        super().__init__()
        self._composer, self._batches, self._recipe = composer, batches, recipe
        self._centres = np.concatenate([c.reshape(-1, 2) for c in cell_centres(*MINED_PX)])
        self.looks: list[Look] = []
        self.scores: list[float] = []

    def restore(self, looks: list[Look], scores: list[float]) -> None:
        """Remember what an earlier process found."""
        self.looks, self.scores = looks, scores
        self._batches.hard = looks

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  Keras' signature
        """Search."""
        if (epoch + 1) % self._recipe.mine_epochs or not self._recipe.mine_pictures:
            return
        rng = np.random.default_rng([self._recipe.seed, epoch, 1])
        again = set(rng.permutation(len(self.looks))[: self._recipe.mine_pictures // 3].tolist())
        fresh = [self._composer.faceless_look(*MINED_PX, rng) for _ in range(self._recipe.mine_pictures - len(again))]
        judged = self._judge(fresh)
        least = max(_FIRES, float(np.quantile([score for score, _ in judged], 1 - _HARD)))
        found = [pair for pair in judged if pair[0] >= least]
        kept = [(s, look) for i, (s, look) in enumerate(zip(self.scores, self.looks, strict=True)) if i not in again]
        # The share binds fresh views alone: else the few hardest would drive each other out, and be all that is shown.
        kept += [pair for pair in self._judge([self.looks[i] for i in sorted(again)]) if pair[0] >= _FIRES]
        kept = sorted([*kept, *found], key=lambda pair: -pair[0])[: self._recipe.mined_most]
        self.scores, self.looks = [s for s, _ in kept], [look for _, look in kept]
        self._batches.hard = self.looks  # the hardest first
        log.info("hard views: %d of %d fresh ones, %d remembered", len(found), len(fresh), len(kept))

    def _judge(self, looks: list[Look]) -> list[tuple[float, Look]]:
        judged = []
        pixels = np.empty((_AT_ONCE, *MINED_PX), np.uint8)
        for start in range(0, len(looks), _AT_ONCE):
            several = looks[start : start + _AT_ONCE]
            for look, part in zip(several, pixels, strict=False):
                self._composer.draw(look, part)
            cells = keras.ops.convert_to_numpy(
                self.model.predict_on_batch(pixels[: len(several), ..., None] * np.float32(1 / 255))
            )
            logits = cells[..., 0].astype(np.float64)
            for look, row in zip(several, logits, strict=True):
                best = int(row.argmax())
                score = float(1 / (1 + np.exp(-row[best])))
                judged.append((score, recentred(look, *self._centres[best].tolist())))
        return judged
