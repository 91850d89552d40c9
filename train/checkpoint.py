"""The state of a run in one file, so that a run killed at any moment goes on as if it had not been."""

import json
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops


def save_checkpoint(path: Path, model: keras.Model, state: dict[str, Any]) -> None:
    """Write all variables of a compiled model and its optimizer, and `state`, at once or not at all.

    Args:
        path: an `.npz` file; an older one is replaced whole.
        model: compiled; dropout's seeds are among its variables.
        state: anything JSON can hold.
    """
    arrays = {f"v{i}": ops.convert_to_numpy(v) for i, v in enumerate(_variables(model))}
    temporary = path.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.savez(file, state=np.array(json.dumps(state)), **arrays)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path, model: keras.Model) -> None:
    """Put a checkpoint's variables back into a model compiled like the one that was saved."""
    with np.load(path) as arrays:
        for i, variable in enumerate(_variables(model)):
            variable.assign(arrays[f"v{i}"])


def read_state(path: Path) -> dict[str, Any]:
    """The `state` of a checkpoint."""
    with np.load(path) as arrays:
        state: dict[str, Any] = json.loads(str(arrays["state"]))
    return state


def _variables(model: keras.Model) -> list[keras.Variable]:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
