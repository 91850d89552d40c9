"""The state of a run in one file, so that a run killed at any moment goes on as if it had not been."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import ops
from numpy.typing import NDArray

from edge_fer.atomic import write_atomically

from .judge import Judge

CHECKPOINT = "checkpoint.npz"


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Saves everything that the next epoch depends on, after all other callbacks had their say.

    That is every variable of the training model (dropout's seeds among them) and of its optimizer (step, rate,
    moments, averaged weights), the best score so far and its weights, the history, and what the watching callbacks
    remember. Order and views of the data depend on the epoch's number alone and need no saving.

    Args:
        run: the folder; receives `checkpoint.npz` and `history.csv`.
        state: JSON values kept with it; `recipe` and `stage` are read, `epoch`, `best`, `history`, `stopped` and
            `watchers` are written.
        judge: knows the best score.
        watchers: EarlyStopping and the like.
        writes: whether this process saves; otherwise it only keeps `state` up to date.
    """

    def __init__(
        self,
        run: Path,
        state: dict[str, Any],
        judge: Judge,
        watchers: Sequence[keras.callbacks.Callback],
        *,
        writes: bool = True,
    ) -> None:
        super().__init__()
        self._run, self._state, self._judge, self._watchers = run, state, judge, watchers
        self._writes = writes

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  Keras' signature
        """Let the watchers remember; they have just forgotten everything."""
        self._judge.best = self._state["best"]
        if self._judge.best is not None:
            self._judge.best_weights = load_best(self._run)
        for watcher, memory in zip(self._watchers, self._state["watchers"], strict=False):
            vars(watcher).update(memory)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002  likewise
        """Seed the engine's own generator by the epoch: PyTorch's dropout draws from it, not from Keras' seeds.

        Not earlier than the first step: PyTorch's data loader draws from it as well when a run begins.
        """
        if batch == 0:
            keras.utils.set_random_seed(self._state["recipe"]["seed"] + len(self._state["history"]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        """Save."""
        row = {k.removeprefix("label_"): float(v) for k, v in logs.items()}
        self._state["history"].append({"epoch": epoch + 1, "stage": self._state["stage"] + 1} | row)
        self._state |= {
            "epoch": epoch + 1,
            "best": self._judge.best,
            "stopped": bool(self.model.stop_training),
            "watchers": [_memory(w) for w in self._watchers],
        }
        if not self._writes:
            return
        table = pd.DataFrame(self._state["history"]).to_csv(index=False)
        write_atomically(self._run / "history.csv", table.encode())
        arrays = {f"v{i}": ops.convert_to_numpy(v) for i, v in enumerate(_variables(self.model))}
        arrays |= {f"best{i}": w for i, w in enumerate(self._judge.best_weights)}
        content = io.BytesIO()
        np.savez(content, state=np.array(json.dumps(self._state)), **arrays)
        write_atomically(self._run / CHECKPOINT, content.getvalue())


def read_state(run: Path) -> dict[str, Any] | None:
    """The state of a run folder's checkpoint; None where there is none."""
    if not (run / CHECKPOINT).exists():
        return None
    with np.load(run / CHECKPOINT) as arrays:
        state: dict[str, Any] = json.loads(str(arrays["state"]))
    return state


def load_best(run: Path) -> list[NDArray[np.float32]]:
    """The weights that were best so far; `model.keras` may be an epoch ahead of the checkpoint."""
    with np.load(run / CHECKPOINT) as arrays:
        return [arrays[f"best{i}"] for i in range(sum(name.startswith("best") for name in arrays.files))]


def load_variables(run: Path, model: keras.Model) -> None:
    """Put a checkpoint's variables back into a model compiled like the one that was saved."""
    with np.load(run / CHECKPOINT) as arrays:
        for i, variable in enumerate(_variables(model)):
            variable.assign(arrays[f"v{i}"])


def _variables(model: keras.Model) -> list[keras.Variable]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


def _memory(watcher: keras.callbacks.Callback) -> dict[str, Any]:
    """What a callback of Keras counts and compares with: its plain numbers."""
    return {k: v for k, v in vars(watcher).items() if isinstance(v, int | float) and not k.startswith("_")}
