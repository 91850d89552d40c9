"""Large networks of keras.applications, fed with gray pictures, with or without what they learned on ImageNet.

Their layers are not nested, so that a stage of a recipe can thaw them from a named layer on.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from edge_fer.errors import DownloadError


def vgg16(
    shape: tuple[int, int, int],
    classes: int,
    *,
    weights: str | None = None,
    image_size: int = 48,
    hidden: int = 256,
    dropout: float = 0.5,
) -> keras.Model:
    """VGG16 without its dense layers, a hidden layer and logits instead.

    Args:
        shape: of the input, one channel.
        classes: number of logits.
        weights: `imagenet`, the path of a weights file, or None.
        image_size: side that pictures are scaled to, in pixels; at least 32.
        hidden: units of the hidden layer.
        dropout: share left out before and after it.
    """
    inputs, rgb = _rgb(shape, image_size)
    # VGG16 was trained on BGR in 0 to 255 less ImageNet's mean; gray looks the same in both orders.
    x = layers.Rescaling(255.0, offset=[-103.939, -116.779, -123.68])(rgb)
    x = _backbone(keras.applications.VGG16, x, weights)
    return _with_head(inputs, x, classes, name="vgg16", hidden=hidden, dropout=dropout)


def inceptionv3(
    shape: tuple[int, int, int],
    classes: int,
    *,
    weights: str | None = None,
    image_size: int = 96,
    hidden: int = 256,
    dropout: float = 0.5,
) -> keras.Model:
    """InceptionV3 without its dense layer, a hidden layer and logits instead.

    Args:
        shape: of the input, one channel.
        classes: number of logits.
        weights: `imagenet`, the path of a weights file, or None.
        image_size: side that pictures are scaled to, in pixels; at least 75.
        hidden: units of the hidden layer.
        dropout: share left out before and after it.
    """
    inputs, rgb = _rgb(shape, image_size)
    x = _backbone(keras.applications.InceptionV3, layers.Rescaling(2.0, offset=-1.0)(rgb), weights)
    return _with_head(inputs, x, classes, name="inceptionv3", hidden=hidden, dropout=dropout)


def efficientnetb0(
    shape: tuple[int, int, int],
    classes: int,
    *,
    weights: str | None = None,
    image_size: int = 96,
    hidden: int = 0,
    dropout: float = 0.3,
) -> keras.Model:
    """EfficientNetB0 without its dense layer, logits instead.

    Args:
        shape: of the input, one channel.
        classes: number of logits.
        weights: `imagenet`, the path of a weights file, or None.
        image_size: side that pictures are scaled to, in pixels; at least 32, 224 on ImageNet.
        hidden: units of a hidden layer before the logits; 0: none.
        dropout: share of the features left out.
    """
    inputs, rgb = _rgb(shape, image_size)
    x = _backbone(keras.applications.EfficientNetB0, layers.Rescaling(255.0)(rgb), weights)
    return _with_head(inputs, x, classes, name="efficientnetb0", hidden=hidden, dropout=dropout)


def _rgb(shape: tuple[int, int, int], side: int) -> tuple[Any, Any]:
    """The gray input, and it scaled to (side, side, 3)."""
    inputs = keras.Input(shape)
    x = layers.Resizing(side, side)(inputs) if shape[:2] != (side, side) else inputs
    return inputs, layers.Concatenate()([x, x, x])


def _backbone(application: Callable[..., keras.Model], rgb: Any, weights: str | None) -> Any:
    """Pooled features of a network of keras.applications.

    Raises:
        DownloadError: the weights cannot be had.
    """
    try:
        return application(include_top=False, weights=weights, input_tensor=rgb, pooling="avg").output
    except Exception as error:  # Keras raises nothing narrower when a download fails
        if "URL fetch failure" not in str(error):
            raise
        raise DownloadError(
            f"{application.__name__}: ImageNet weights cannot be downloaded: {error}; train without (weights: null) "
            "or give the path of a weights file."
        ) from error


def _with_head(inputs: Any, features: Any, classes: int, *, name: str, hidden: int, dropout: float) -> keras.Model:
    x = layers.Dropout(dropout)(features)
    if hidden:
        x = layers.Dense(hidden, activation="relu", name="hidden")(x)
        x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name=name)
