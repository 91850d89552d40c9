"""Trains the detector by a recipe into a run folder, and goes on where a killed run left off."""

import io
import json
import logging
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import pandas as pd
from keras import ops

from edge_fer.atomic import write_atomically
from edge_fer.detect.scenes import load_scenes
from edge_fer.errors import ConfigError

from ..device import jit_setting, resolve_precision  # noqa: TID252  installed under another name
from ..provenance import provenance  # noqa: TID252  likewise
from ..torch_kernels import on_fast_kernels  # noqa: TID252  likewise
from .batches import Batches, Maker
from .compose import Composer, Look
from .mining import Mining
from .net import build, training_model
from .objective import make_loss
from .recipe import DetectorRecipe

log = logging.getLogger(__name__)

_FILE: Final = "checkpoint.npz"
_MAY_CHANGE: Final = {"steps", "late", "sizes", "composition", "mine_epochs", "mine_pictures", "mined_most"}
"""What a run may go on with other values of: how long it takes, and what it is shown."""


def train(recipe: DetectorRecipe, data: Path, run: Path, *, processes: int = 0) -> keras.Model:
    """Train into a run folder.

    Args:
        recipe: how.
        data: folder of the scenes, see `scenes.load_scenes`.
        run: ends up with `detector.keras`, its account `run.json`, `history.csv` and `checkpoint.npz`.
        processes: that make pictures beside the training; 0 makes them in a thread of it.

    Returns:
        The network with averaged weights, float32.

    Raises:
        ConfigError: the folder holds a run by another recipe or on other scenes.
        DataError: the scenes cannot be read.
    """
    scenes = load_scenes(data, held_out=False)
    state = _begin_or_resume(
        run, recipe, fingerprint=sha256("\n".join(one.name for one in scenes).encode()).hexdigest()
    )
    composer = Composer(scenes, recipe.composition)
    batches = Batches(Maker(composer, recipe), recipe, data, processes)
    run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    shipped = build(recipe.widths)
    policy = resolve_precision(recipe.precision)
    model = training_model(on_fast_kernels(shipped, policy))
    optimizer = keras.optimizers.AdamW(
        _Rate(recipe.learning_rate, recipe.warmup_steps, recipe.steps, recipe.late),
        weight_decay=recipe.weight_decay, clipnorm=10.0,
        use_ema=bool(recipe.ema), ema_momentum=recipe.ema or None,
    )  # fmt: skip
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss=make_loss(recipe.box_weight, recipe.landmark_weight), jit_compile=jit_setting())
    mining = Mining(composer, batches, recipe)
    checkpoint = _Checkpoint(run, state, recipe, mining, shipped)
    if state["epoch"]:
        checkpoint.load(model)
        log.info("resumed after epoch %d", state["epoch"])
    epochs = -(-recipe.steps // recipe.steps_per_epoch)
    log.info("%d parameters, %s on %s, %d epochs", shipped.count_params(), policy, keras.backend.backend(), epochs)
    if state["epoch"] < epochs:
        model.fit(
            batches.from_step(state["epoch"] * recipe.steps_per_epoch),
            steps_per_epoch=recipe.steps_per_epoch,
            initial_epoch=state["epoch"],
            epochs=epochs,
            shuffle=False,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[mining, checkpoint],
        )
    averaged: keras.Model = keras.saving.load_model(run / "detector.keras", compile=False)
    return averaged


@keras.saving.register_keras_serializable("edge_fer")
class _Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """Linear warm-up, constant, then linearly down to zero: a run can be made longer while the rate is constant."""

    def __init__(self, peak: float, warmup: int, steps: int, late: float) -> None:
        self.peak, self.warmup, self.steps, self.late = peak, warmup, steps, late

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        rise = (step + 1) / max(self.warmup, 1)
        fall = (self.steps - step) / (self.steps * self.late)
        return self.peak * ops.clip(ops.minimum(rise, fall), 1e-3, 1.0)

    def get_config(self) -> dict[str, Any]:
        return {"peak": self.peak, "warmup": self.warmup, "steps": self.steps, "late": self.late}


def _begin_or_resume(run: Path, recipe: DetectorRecipe, fingerprint: str) -> dict[str, Any]:
    now = recipe.model_dump(mode="json")
    if not (run / _FILE).exists():
        return {"recipe": now, "data": fingerprint, "epoch": 0, "history": []}
    with np.load(run / _FILE) as arrays:
        state: dict[str, Any] = json.loads(str(arrays["state"]))
    if state["data"] != fingerprint:
        raise ConfigError(f"{run} holds a run on other scenes: choose another --out.")
    was = state["recipe"]
    if changed := [f"{k}: {was[k]} there, {now[k]} here" for k in now if k not in _MAY_CHANGE and was[k] != now[k]]:
        raise ConfigError(f"{run} holds a run by another recipe ({'; '.join(changed)}): choose another --out.")
    return state | {"recipe": now, "data": fingerprint}


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Saves, after each epoch, everything that the next one depends on, and the averaged network beside it."""

    def __init__(
        self, run: Path, state: dict[str, Any], recipe: DetectorRecipe, mining: Mining, shipped: keras.Model
    ) -> None:
        super().__init__()
        self._run, self._state, self._recipe, self._mining, self._shipped = run, state, recipe, mining, shipped

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Save."""
        self._state["history"].append({"epoch": epoch + 1} | {k: float(v) for k, v in logs.items()})
        self._state["epoch"] = epoch + 1
        account = {
            "recipe": self._recipe.model_dump(mode="json"),
            "steps_done": (epoch + 1) * self._recipe.steps_per_epoch,
            **provenance(),
        }
        write_atomically(self._run / "run.json", json.dumps(account, indent=2).encode())
        table = pd.DataFrame(self._state["history"]).to_csv(index=False)
        write_atomically(self._run / "history.csv", table.encode())
        looks = self._mining.looks
        arrays = {f"v{i}": ops.convert_to_numpy(v) for i, v in enumerate(_variables(self.model))}
        arrays |= {
            "hard_scenes": np.array([look.scene for look in looks], np.int64),
            "hard_matrices": np.array([look.matrix for look in looks]).reshape(-1, 2, 3),
            "hard_scores": np.array(self._mining.scores),
        }
        content = io.BytesIO()
        np.savez(content, state=np.array(json.dumps(self._state)), **arrays)
        self._save_averaged()  # first: a run that is killed in between repeats the epoch, and saves it again
        write_atomically(self._run / _FILE, content.getvalue())

    def load(self, model: keras.Model) -> None:
        """Put the saved state back into a compiled model and into the search for hard views."""
        with np.load(self._run / _FILE) as arrays:
            for i, variable in enumerate(_variables(model)):
                variable.assign(arrays[f"v{i}"])
            scenes, matrices = arrays["hard_scenes"].tolist(), arrays["hard_matrices"]
            self._mining.restore(
                [Look(scene, matrix) for scene, matrix in zip(scenes, matrices, strict=True)],
                arrays["hard_scores"].tolist(),
            )

    def _save_averaged(self) -> None:
        optimizer = self.model.optimizer
        current = [ops.convert_to_numpy(v) for v in self.model.trainable_variables]
        if optimizer.use_ema:
            averages = optimizer._model_variables_moving_average  # noqa: SLF001  Keras would overwrite the variables
            for variable, average in zip(self.model.trainable_variables, averages, strict=True):
                variable.assign(average)
        self._shipped.set_weights(self.model.get_weights())
        for variable, value in zip(self.model.trainable_variables, current, strict=True):
            variable.assign(value)
        temporary = self._run / "new.detector.keras"
        self._shipped.save(temporary)
        temporary.replace(self._run / "detector.keras")


def _variables(model: keras.Model) -> list[keras.Variable]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
