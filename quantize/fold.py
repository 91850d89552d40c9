"""Rebuilds a network without what is there for training alone: BatchNorm goes into the layer before it."""

from dataclasses import dataclass, replace
from typing import Any, Final

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from edge_fer.errors import ModelError

WEIGHTED: Final = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)

UNROUNDED: Final = (
    layers.MaxPooling2D,
    layers.GlobalMaxPooling2D,
    layers.Flatten,
    layers.Reshape,
    layers.ZeroPadding2D,
    layers.Cropping2D,
    layers.Permute,
)
"""They only move values about: what comes out has the steps of what went in."""

ROUNDED: Final = (layers.Add, layers.Concatenate, layers.GlobalAveragePooling2D, layers.LeakyReLU, layers.UpSampling2D)
"""What they make is rounded anew."""

_TRAINING_ONLY: Final = (
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.GaussianDropout,
    layers.GaussianNoise,
    layers.Identity,
)


def fold(model: Any) -> Any:
    """Rebuild a network for inference: float pictures to logits, as the one that is given.

    Raises:
        ModelError: a layer is unknown here, or a BatchNorm follows no convolution or dense layer.
    """
    linear: dict[int, Step] = {}  # by output: what a BatchNorm may be folded into

    def weighted(step: Step) -> Any:
        output = step.build(step.kind)
        if step.config["activation"] == "linear":
            linear[id(output)] = replace(step, output=output)
        return output

    def call(layer: Any, inputs: Any, **_options: Any) -> Any:
        kind, config = type(layer), layer.get_config()
        if kind in _TRAINING_ONLY:
            return inputs
        if kind is layers.BatchNormalization:
            if id(inputs) not in linear:
                raise ModelError(
                    f"layer {layer.name!r}: a BatchNormalization can be folded only right behind a convolution or "
                    "dense layer that has no activation: quantize with --method ptq"
                )
            return weighted(linear[id(inputs)].scaled(*_scale_and_shift(layer)))
        if kind is layers.SeparableConv2D:
            depthwise, pointwise = _separate(layer, inputs)
            return weighted(replace(pointwise, inputs=weighted(depthwise)))
        if kind in WEIGHTED:
            kernel, *bias = layer.get_weights()
            return weighted(Step(kind, config, inputs, kernel, bias[0] if bias else _no_bias(kind, kernel)))
        if kind in UNROUNDED or kind in ROUNDED or is_relu(layer):
            return kind.from_config(config)(inputs)
        raise ModelError(
            f"layer {layer.name!r}: quantization-aware training knows no {kind.__name__}: quantize with --method ptq"
        )

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


@dataclass(frozen=True)
class Step:
    """A layer with weights, before it is made: its bias is there even where the network's has none.

    Attributes:
        kind: one of `WEIGHTED`.
        config: Keras' own of the layer.
        inputs: what it takes.
        kernel: its weights.
        bias: float32 (channels,).
        output: what it made, once it was made.
    """

    kind: Any
    config: dict[str, Any]
    inputs: Any
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]
    output: Any = None

    def build(self, kind: Any) -> Any:
        """Make the layer, or another kind of the same weights; returns its output."""
        layer = kind.from_config(self.config | {"use_bias": True})
        output = layer(self.inputs)
        layer.set_weights([self.kernel, self.bias])
        return output

    def scaled(self, scale: NDArray[np.float32], shift: NDArray[np.float32]) -> "Step":
        """The step with a BatchNorm behind it."""
        shape = self.kernel.shape[2:] if self.kind is layers.DepthwiseConv2D else scale.shape
        return replace(self, kernel=self.kernel * scale.reshape(shape), bias=self.bias * scale + shift)


def _scale_and_shift(norm: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    mean, variance = (np.asarray(value) for value in (norm.moving_mean, norm.moving_variance))
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    return scale, (np.asarray(norm.beta) if norm.center else 0.0) - mean * scale


def _separate(layer: Any, inputs: Any) -> tuple[Step, Step]:
    """A separable convolution as the two that it is."""
    depthwise, pointwise, *bias = layer.get_weights()
    config = layer.get_config()
    shared = {key: config[key] for key in ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")}
    first = {"name": f"{layer.name}_depthwise", "activation": "linear", **shared}
    last = {"name": layer.name, "filters": layer.filters, "kernel_size": 1, "activation": config["activation"]}
    return (
        Step(layers.DepthwiseConv2D, first, inputs, depthwise, _no_bias(layers.DepthwiseConv2D, depthwise)),
        Step(layers.Conv2D, last, None, pointwise, bias[0] if bias else _no_bias(layers.Conv2D, pointwise)),
    )


def _no_bias(kind: type, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    channels = kernel.shape[2] * kernel.shape[3] if kind is layers.DepthwiseConv2D else kernel.shape[-1]
    return np.zeros(channels, np.float32)


def is_relu(layer: Any) -> bool:
    """Whether TFLite can fuse a layer with the convolution before it."""
    return type(layer) is layers.ReLU or (
        type(layer) is layers.Activation and layer.activation in (keras.activations.relu, keras.activations.relu6)
    )


def takers(model: Any) -> dict[int, list[Any]]:
    """By the id of each tensor of a network: the layers that take it."""
    found: dict[int, list[Any]] = {}
    for layer in model.layers[1:]:
        for value in layer.input if isinstance(layer.input, list) else [layer.input]:
            found.setdefault(id(value), []).append(layer)
    return found
