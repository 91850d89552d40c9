"""What a network is trained towards: its labels, and where asked for a crowd's votes and teachers' opinions.

Every signal is a named output of one training model around the network, with its own loss and weight; what is
saved is the network alone.
"""

from typing import Any

import keras
from keras import layers

from edge_fer.errors import ConfigError

from .data.dataset import VOTED
from .recipe import Recipe


def training_model(net: keras.Model, recipe: Recipe) -> keras.Model:
    """Wrap a network for training.

    Returns:
        A model of the same layers with the outputs `label` (logits), `votes` (logits of a second head over
        `VOTED`, when the recipe asks for it) and `teacher` (logits over the temperature, when there are teachers).
    """
    outputs = {"label": net.output}
    if recipe.use_votes == "head":
        features = _head(net).input
        if len(features.shape) == 4:
            features = layers.GlobalAveragePooling2D()(features)
        outputs["votes"] = layers.Dense(len(VOTED), dtype="float32", name="votes")(features)
    if recipe.teachers:
        cool = layers.Rescaling(1 / recipe.distill_temperature, dtype="float32", name="teacher")
        outputs["teacher"] = cool(net.output)
    return keras.Model(net.input, outputs)


def losses(recipe: Recipe) -> tuple[dict[str, keras.losses.Loss], dict[str, float]]:
    """The loss and the weight of each output of `training_model`.

    The teachers' part is weighted with the temperature's square, which keeps its gradient as large as the
    labels' (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015).
    """
    soft = keras.losses.CategoricalCrossentropy(from_logits=True)
    of: dict[str, keras.losses.Loss] = {"label": _label_loss(recipe)}
    weight = {"label": 1.0}
    if recipe.use_votes == "head":
        of["votes"], weight["votes"] = soft, recipe.votes_weight
    if recipe.teachers:
        weight["label"] = 1 - recipe.distill_weight
        of["teacher"], weight["teacher"] = soft, recipe.distill_weight * recipe.distill_temperature**2
    return of, weight


def first_trained(net: keras.Model, which: str) -> int:
    """The index of the first layer that is trained.

    Args:
        net: the network.
        which: `all`, `head` (the last layer that has weights), or the name of a layer, from which on all are trained.

    Raises:
        ConfigError: there is no such layer; lists those there are.
    """
    names = [layer.name for layer in net.layers]
    if which not in {"all", "head", *names}:
        known = [layer.name for layer in net.layers if layer.weights]
        raise ConfigError(f"trainable: {which}: no layer of {net.name}; it has {', '.join(known)}.")
    if which == "all":
        return 0
    return net.layers.index(_head(net)) if which == "head" else names.index(which)


def train_from(net: keras.Model, first: int) -> None:
    """Freeze the layers before an index and thaw the others; by index, for Keras names a second copy's otherwise."""
    for i, layer in enumerate(net.layers):
        layer.trainable = i >= first


def _label_loss(recipe: Recipe) -> keras.losses.Loss:
    match recipe.loss:
        case "sparse":
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        case "focal":
            return keras.losses.CategoricalFocalCrossentropy(
                alpha=1.0, gamma=recipe.focal_gamma, from_logits=True, label_smoothing=recipe.label_smoothing
            )
        case _:
            return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)


def _head(net: keras.Model) -> Any:
    return [layer for layer in net.layers if layer.weights][-1]
