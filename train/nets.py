"""The networks: gray pictures in [0, 1] in, logits out."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras
from keras import layers

from edge_fer.errors import ConfigError

from . import transfer

Shape: TypeAlias = tuple[int, int, int]
"""Height and width in pixels, and channels: always 1."""


def build(net: str, shape: Shape, classes: int, arguments: dict[str, Any]) -> keras.Model:
    """Make a network by name.

    Args:
        net: a key of `NETS`, or the user's own as `module:function`, called as `function(shape, classes, **arguments)`.
        shape: of the input.
        classes: number of logits.
        arguments: what the net takes beyond that.

    Returns:
        A functional model, float32 (n, *shape) in [0, 1] to float32 logits (n, classes).

    Raises:
        ConfigError: there is no such net, it takes no such argument, or it puts out something else.
    """
    model = find(net, arguments)(shape, classes, **arguments)
    if not isinstance(model, keras.Model) or getattr(model, "output_shape", None) != (None, classes):
        raise ConfigError(f"net {net}: must return a functional Keras model with output shape (None, {classes}).")
    return model


def find(net: str, arguments: dict[str, Any]) -> Callable[..., Any]:
    """The function that makes a net, without calling it.

    Raises:
        ConfigError: there is no such net, or it takes no such argument.
    """
    make = NETS.get(net) or _import(net)
    try:
        inspect.signature(make).bind((), 0, **arguments)
    except TypeError as error:
        raise ConfigError(f"net {net}: net_args: {error}.") from error
    return make


def _import(net: str) -> Callable[..., Any]:
    module, colon, function = net.partition(":")
    if not colon:
        raise ConfigError(f"net {net}: built in are {', '.join(NETS)}; your own is named module:function.")
    try:
        make: Callable[..., Any] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise ConfigError(f"net {net}: {error}.") from error
    except AttributeError:
        raise ConfigError(f"net {net}: module {module} has no {function}.") from None
    return make


def edge(
    shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (24, 48, 96, 160),
    depths: Sequence[int] = (1, 2, 2, 2),
    dropout: float = 0.2,
) -> keras.Model:
    """The shipped family: stages of plain 3x3 convolution, BatchNorm and ReLU, each closed by max-pooling.

    It quantizes to int8 without loss and runs as one XNNPACK partition. The first stage, at full resolution,
    costs the most time per weight, so it is one layer deep.

    Args:
        shape: of the input.
        classes: number of logits.
        widths: channels of each stage.
        depths: convolutions of each stage.
        dropout: share of the pooled features left out in training.
    """
    if len(widths) != len(depths):
        raise ConfigError(f"net edge: {len(widths)} widths and {len(depths)} depths: give one of each per stage.")
    x = inputs = keras.Input(shape)
    for width, depth in zip(widths, depths, strict=True):
        for _ in range(depth):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, _logits(x, classes), name="edge")


def conv2d(
    shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (64, 128, 256),
    hidden: int = 128,
    dropout: Sequence[float] = (0.4, 0.4, 0.5),
    hidden_dropout: float = 0.6,
) -> keras.Model:
    """Double convolutions with ELU and BatchNorm, max-pooling and dropout after each pair, one hidden dense layer.

    The net that the comparisons of Conv2D with VGG16 and InceptionV3 on FER-2013 found best.

    Args:
        shape: of the input.
        classes: number of logits.
        widths: channels of each pair.
        hidden: units of the hidden layer.
        dropout: share left out after each pair.
        hidden_dropout: share left out before the logits.
    """
    x = inputs = keras.Input(shape)
    for i, (width, rate) in enumerate(zip(widths, dropout, strict=True)):
        for kernel in (5, 5) if i == 0 else (3, 3):
            x = layers.Conv2D(width, kernel, padding="same", activation="elu", kernel_initializer="he_normal")(x)
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(rate)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(hidden, activation="elu", kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(hidden_dropout)(x)
    return keras.Model(inputs, _logits(x, classes), name="conv2d")


def simple(
    shape: Shape, classes: int, *, widths: Sequence[int] = (32, 64), hidden: int = 128, dropout: float = 0.25
) -> keras.Model:
    """One convolution per width, each max-pooled, then dropout and one hidden dense layer: the first net one writes.

    Args:
        shape: of the input.
        classes: number of logits.
        widths: channels of each convolution.
        hidden: units of the hidden layer.
        dropout: share left out after the convolutions; twice that after the hidden layer.
    """
    x = inputs = keras.Input(shape)
    for width in widths:
        x = layers.Conv2D(width, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(hidden, activation="relu")(x)
    x = layers.Dropout(min(2 * dropout, 0.9))(x)
    return keras.Model(inputs, _logits(x, classes), name="simple")


def mini_xception(
    shape: Shape, classes: int, *, stem: int = 8, widths: Sequence[int] = (16, 32, 64, 128)
) -> keras.Model:
    """Residual depthwise-separable modules, global average of one map per class.

    Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion and Gender
    Classification", 2017; 60 k parameters, 66 % on FER-2013.

    Args:
        shape: of the input.
        classes: number of logits.
        stem: channels of the two plain convolutions at the beginning.
        widths: channels of the residual modules.
    """
    x = inputs = keras.Input(shape)
    for _ in range(2):
        x = layers.Conv2D(stem, 3, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    for width in widths:
        shortcut = layers.Conv2D(width, 1, strides=2, padding="same", use_bias=False)(x)
        shortcut = layers.BatchNormalization()(shortcut)
        x = layers.SeparableConv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.SeparableConv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        x = layers.Add()([x, shortcut])
    x = layers.Conv2D(classes, 3, padding="same", name="maps")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
    return keras.Model(inputs, x, name="mini-xception")


def _logits(features: Any, classes: int) -> Any:
    """The last layer; float32 whatever the layers before it compute in."""
    return layers.Dense(classes, dtype="float32", name="logits")(features)


NETS: dict[str, Callable[..., keras.Model]] = {
    "edge": edge,
    "conv2d": conv2d,
    "simple": simple,
    "mini-xception": mini_xception,
    "vgg16": transfer.vgg16,
    "inceptionv3": transfer.inceptionv3,
    "efficientnetb0": transfer.efficientnetb0,
}
"""The built-in networks by name."""
