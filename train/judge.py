"""How good a network is, and the callback that asks so after every epoch."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from edge_fer.metrics import score
from edge_fer.tflite import softmax

from .augment import plain
from .data.dataset import Dataset, Images
from .distribute import alone
from .recipe import Recipe
from .torch_kernels import on_fast_kernels


def predict(net: keras.Model, images: Images, batch_size: int = 512) -> NDArray[np.float64]:
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
    return softmax(np.concatenate(parts))


def recalibrate(net: keras.Model, images: Images, seed: int, batch_size: int = 256, batches: int = 10) -> None:
    """Set every trained BatchNorm's moving statistics to their mean over training pictures under the present weights.

    Averaged weights never saw the statistics that were gathered along the way (Izmailov et al., "Averaging Weights
    Leads to Wider Optima and Better Generalization", 2018), and in a short training those lag far behind.

    Args:
        net: changed in place.
        images: training pictures, uint8 (n, height, width).
        seed: chooses the pictures.
        batch_size: pictures per forward pass.
        batches: forward passes at most.
    """
    norms = [n for n in net.layers if isinstance(n, keras.layers.BatchNormalization) and n.trainable]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    order = np.random.default_rng(seed).permutation(len(images))[: batch_size * batches]
    for k, chosen in enumerate(np.array_split(order, max(1, len(order) // batch_size))):
        for layer in norms:
            layer.momentum = k / (k + 1)
        net(plain(images[np.sort(chosen)]), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


class Judge(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Judges the network as it would ship after every epoch, and keeps the best.

    What ships is a float32 copy with the averaged weights and recalibrated BatchNorm; the training model keeps its own
    weights. A share of the weights that training began with may be mixed in, which keeps what was known before beside
    what was learned since (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). Adds `val_accuracy`,
    `val_macro_f1` and `val_loss` to the epoch's logs.

    Args:
        shipped: float32 copy of the network in training.
        shipped_training: its training model, variable for variable like the one in training.
        recipe: whether weights are averaged (`ema`), how much of those of the start is in what ships (`start_weight`),
            which of the logs decides what is best (`monitor`; `none`: it is the newest), and the seed that chooses the
            pictures for recalibration.
        dataset: judged on `validation`, recalibrated on `train`.
        run: the best is saved there as `model.keras`, the newest as `last.keras`.
        start_weights: those of `shipped` when training began.
        writes: whether this process saves.
    """

    def __init__(
        self,
        shipped: keras.Model,
        shipped_training: keras.Model,
        *,
        recipe: Recipe,
        dataset: Dataset,
        run: Path,
        start_weights: list[NDArray[np.float32]],
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.best: float | None = None
        self.best_weights: list[NDArray[np.float32]] = []
        self._shipped, self._copy = shipped, shipped_training
        self._fast = on_fast_kernels(shipped)
        self._recipe, self._dataset, self._run, self._writes = recipe, dataset, run, writes
        self._start_weights = start_weights

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:  # noqa: ARG002  Keras' signature
        """Judge, and save what is best and newest."""
        self._take_weights()
        validation = self._dataset.validation
        with alone():
            scores = score(predict(self._fast, validation.images), validation.labels, self._dataset.classes)
        logs |= {"val_accuracy": scores.accuracy, "val_macro_f1": scores.macro_f1, "val_loss": scores.nll}
        logs["learning_rate"] = float(ops.convert_to_numpy(self.model.optimizer.learning_rate))
        newer = 1.0 + (self.best or 0.0)  # each epoch improves on the one before
        value = {**logs, "val_loss": -logs["val_loss"], "none": newer}[self._recipe.monitor]
        if self.best is None or value > self.best:
            self.best, self.best_weights = value, self._shipped.get_weights()
            if self._writes:
                save_whole(self._shipped, self._run / "model.keras")
        if self._writes:
            save_whole(self._shipped, self._run / "last.keras")

    def _take_weights(self) -> None:
        raw = [ops.convert_to_numpy(v) for v in self.model.variables]
        if self._recipe.ema:
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        current = [ops.convert_to_numpy(v) for v in self.model.variables]
        if self._recipe.ema:
            for variable, value in zip(self.model.variables, raw, strict=True):
                variable.assign(value)
        with alone():
            for variable, value in zip(self._copy.variables, current, strict=True):
                variable.assign(value)
            share = np.float32(self._recipe.start_weight)
            pairs = zip(self._shipped.get_weights(), self._start_weights, strict=True)
            self._fast.set_weights([now + share * (start - now) for now, start in pairs])
            recalibrate(self._fast, self._dataset.train.images, self._recipe.seed)
            self._shipped.set_weights(self._fast.get_weights())


def save_whole(net: keras.Model, path: Path) -> None:
    """Save a network under its name at once or not at all; the suffix decides the format."""
    partial = path.with_name(f"partial-{path.name}")
    net.save(partial)
    partial.replace(path)
