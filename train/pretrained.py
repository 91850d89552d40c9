"""Models that were trained before: teachers, and weights to begin with."""

import json
from pathlib import Path

import keras

from edge_fer.errors import DataError

from .data.dataset import Dataset


def load_teacher(path: Path, dataset: Dataset) -> keras.Model:
    """A model to distil from.

    Args:
        path: as the trainer saved it.
        dataset: what the student is trained on.

    Raises:
        DataError: it cannot be loaded, or is for other pictures or labels.
    """
    teacher = _load(path, "teacher")
    needed = (*dataset.size, 1), (len(dataset.classes),)
    if (teacher.input_shape[1:], teacher.output_shape[1:]) != needed:
        raise DataError(
            f"teacher {path}: maps {teacher.input_shape[1:]} to {teacher.output_shape[1:]}, "
            f"the data needs {needed[0]} to {needed[1]}."
        )
    labels = _labels(path, dataset.classes)
    if labels != dataset.classes:
        raise DataError(
            f"teacher {path}: was trained on {', '.join(labels)}; the data has {', '.join(dataset.classes)}."
        )
    return teacher


def begin_with(net: keras.Model, path: Path, classes: tuple[str, ...]) -> None:
    """Give a network the weights of a saved one; the logits begin afresh where its labels were others.

    Args:
        net: of the same architecture; changed in place.
        path: as the trainer saved it.
        classes: the network's labels.

    Raises:
        DataError: it cannot be loaded, or is of another architecture.
    """
    start = _load(path, "start")
    here, there = ([layer for layer in model.layers if layer.weights] for model in (net, start))
    if _labels(path, classes) != classes:
        here, there = here[:-1], there[:-1]
    shapes = ([w.shape for layer in layers for w in layer.weights] for layers in (here, there))
    if len(set(map(tuple, shapes))) > 1:
        raise DataError(f"start {path}: its weights do not fit the net {net.name} of the recipe: choose its net_args.")
    for layer, other in zip(here, there, strict=True):
        layer.set_weights(other.get_weights())


def _load(path: Path, role: str) -> keras.Model:
    try:
        return keras.saving.load_model(path, compile=False)
    except (ValueError, OSError) as error:
        raise DataError(f"{role} {path}: cannot be loaded: {error}") from error


def _labels(path: Path, default: tuple[str, ...]) -> tuple[str, ...]:
    """The labels that the run's account beside the model tells."""
    account = path.with_name("run.json")
    return tuple(json.loads(account.read_text(encoding="utf-8"))["labels"]) if account.exists() else default
