"""Trains a network by a recipe into a run folder, and goes on where a killed run left off."""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops

from edge_fer.errors import ConfigError

from . import nets
from .augment import plain
from .batches import Batches
from .checkpoint import load_checkpoint, read_state, save_checkpoint
from .data.dataset import Dataset
from .judge import predict, score
from .precision import resolve_precision
from .recipe import Recipe
from .schedule import make_optimizer

log = logging.getLogger(__name__)


def train(recipe: Recipe, dataset: Dataset, run: Path) -> None:
    """Train into the folder `run`, which ends up holding `model.keras`, `last.keras` and `history.csv`."""
    checkpoint = run / "checkpoint.npz"
    identity = {"recipe": recipe.model_dump(mode="json"), "data": dataset.fingerprint()}
    state = read_state(checkpoint) if checkpoint.exists() else {"epoch": 0, "history": [], "best": -1.0} | identity
    for key, what in (("recipe", "recipe"), ("data", "data")):
        if state[key] != identity[key]:
            raise ConfigError(f"{run} holds a run with another {what}: choose another --out.")
    run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    policy = resolve_precision(recipe.precision)
    keras.config.set_dtype_policy(policy)
    shape = (*dataset.size, 1)
    net = nets.edge(shape, len(dataset.classes), **recipe.net_args)
    batches = Batches(dataset.train, len(dataset.classes), recipe)
    net.compile(
        make_optimizer(recipe, batches.steps_per_epoch),
        keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing),
        metrics=["accuracy"],
        jit_compile=False,
    )
    log.info("%s, %d parameters, %s, %s", recipe.net, net.count_params(), policy, keras.backend.backend())
    if state["epoch"]:
        load_checkpoint(checkpoint, net)
        log.info("resumed after epoch %d of %d", state["epoch"], recipe.epochs)
    if state["epoch"] < recipe.epochs:
        net.fit(
            batches.from_epoch(state["epoch"]),
            steps_per_epoch=batches.steps_per_epoch,
            initial_epoch=state["epoch"],
            epochs=recipe.epochs,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[_EpochEnd(dataset, recipe, run, state)],
        )


class _EpochEnd(keras.callbacks.Callback):
    """Judges the averaged weights, keeps the best, and saves the checkpoint."""

    def __init__(self, dataset: Dataset, recipe: Recipe, run: Path, state: dict[str, Any]) -> None:
        super().__init__()
        self._dataset, self._recipe, self._run, self._state = dataset, recipe, run, state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        net, state = self.model, self._state
        raw = [ops.convert_to_numpy(v) for v in net.variables]
        if self._recipe.ema:
            net.optimizer.finalize_variable_values(net.trainable_variables)
            recalibrate(net, self._dataset, self._recipe)
        scores = score(predict(net, self._dataset.validation.images), self._dataset.validation)
        logs |= {"val_loss": scores.loss, "val_accuracy": scores.accuracy, "val_macro_f1": scores.macro_f1}
        if scores.accuracy > state["best"]:
            state["best"] = scores.accuracy
            self._export(self._run / "model.keras")
        if epoch + 1 == self._recipe.epochs:
            self._export(self._run / "last.keras")
        for variable, value in zip(net.variables, raw, strict=True):
            variable.assign(value)
        state["epoch"] = epoch + 1
        state["history"].append({"epoch": epoch + 1} | {k: float(v) for k, v in logs.items()})
        pd.DataFrame(state["history"]).to_csv(self._run / "history.csv", index=False)
        save_checkpoint(self._run / "checkpoint.npz", net, state)
        (self._run / "run.json").write_text(
            json.dumps({"labels": self._dataset.classes, "best": state["best"], "recipe": state["recipe"]}, indent=1)
        )

    def _export(self, path: Path) -> None:
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        plain_net = nets.edge((*self._dataset.size, 1), len(self._dataset.classes), **self._recipe.net_args)
        keras.config.set_dtype_policy(policy)
        plain_net.set_weights(self.model.get_weights())
        partial = path.with_name(f"partial-{path.name}")
        plain_net.save(partial)
        partial.replace(path)


def recalibrate(net: keras.Model, dataset: Dataset, recipe: Recipe, batches: int = 20) -> None:
    """Set every BatchNorm's moving statistics to their mean over training pictures under the present weights."""
    norms = [layer for layer in net.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in norms]
    n = recipe.batch_size
    order = np.random.default_rng(recipe.seed).permutation(len(dataset.train))
    for k in range(min(batches, len(order) // n)):
        for layer in norms:
            layer.momentum = k / (k + 1)
        net(plain(dataset.train.images[np.sort(order[k * n : (k + 1) * n])]), training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum
