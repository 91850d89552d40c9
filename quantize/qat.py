"""Quantization-aware fine-tuning, for networks that post-training quantization hurts; needs TensorFlow.

The network is rebuilt with BatchNorm folded into the layers before it and with the rounding of int8 in its forward
pass: weights per channel, activations per tensor (Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018). Gradients pass the rounding unchanged. The float network
teaches it on the training pictures, so no labels are needed, and it forgets nothing of how the float one was trained.
"""

import logging
from collections.abc import Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from .equalize import equalize
from .fold import UNROUNDED, WEIGHTED, Step, fold, is_relu, takers

log = logging.getLogger(__name__)

BATCH: Final = 64
LEARNING_RATE: Final = 2e-4
"""At the beginning; it falls to zero by half a cosine."""

TEMPERATURE: Final = 2.0
"""Of the float network's probabilities and of what is taught."""

LARGEST_SHIFT_PX: Final = 3

CLIPS: Final = tuple(np.linspace(1.0, 0.2, 33))
"""Shares of an activation's whole range that are tried as its range in int8."""

_Range = tuple[float, float]


class FakeQuant(layers.Layer):  # type: ignore[misc]  # Keras is untyped
    """Rounds an activation to the 256 steps of a range."""

    def __init__(self, low: float, high: float, **options: Any) -> None:
        super().__init__(**options)
        self.low, self.high = low, high

    def call(self, inputs: Any) -> Any:
        """The activation as int8 would hold it; same shape."""
        return tf.quantization.fake_quant_with_min_max_args(inputs, self.low, self.high)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The input's."""
        return input_shape


def fake_quant_weight(weight: Any, channel_axes: Sequence[int]) -> Any:
    """Round weights to 255 steps per channel; the gradient passes as if nothing had happened.

    Args:
        weight: float tensor.
        channel_axes: the axes that tell channels apart.
    """
    others = [axis for axis in range(len(weight.shape)) if axis not in channel_axes]
    step = tf.maximum(tf.reduce_max(tf.abs(weight), axis=others, keepdims=True), 1e-12) / 127
    return weight + tf.stop_gradient(tf.round(weight / step) * step - weight)


class QuantConv2D(layers.Conv2D):  # type: ignore[misc]  # Keras is untyped
    """A convolution with the weights that int8 would have."""

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        """Convolve with rounded weights."""
        return super().convolution_op(inputs, fake_quant_weight(kernel, [3]))


class QuantDepthwiseConv2D(layers.DepthwiseConv2D):  # type: ignore[misc]  # Keras is untyped
    """A depthwise convolution with the weights that int8 would have."""

    def call(self, inputs: Any) -> Any:
        """Convolve with rounded weights."""
        kernel = fake_quant_weight(tf.convert_to_tensor(self.kernel), [2, 3])
        outputs = keras.ops.depthwise_conv(
            inputs,
            kernel,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(outputs + self.bias)


class QuantDense(layers.Dense):  # type: ignore[misc]  # Keras is untyped
    """A dense layer with the weights that int8 would have."""

    def call(self, inputs: Any, training: bool | None = None) -> Any:  # noqa: ARG002  Keras' signature
        """Multiply with rounded weights."""
        kernel = fake_quant_weight(tf.convert_to_tensor(self.kernel), [1])
        return self.activation(tf.matmul(inputs, kernel) + self.bias)


_ROUNDING: Final = {
    layers.Conv2D: QuantConv2D,
    layers.DepthwiseConv2D: QuantDepthwiseConv2D,
    layers.Dense: QuantDense,
}


class _Rounding:
    """Puts a rounding behind everything that TFLite keeps as an int8 tensor of its own.

    Attributes:
        seen: the tensors that are rounded, in order.
    """

    def __init__(self, folded: Any, ranges: Sequence[_Range] | None) -> None:
        self._takers = takers(folded)
        self.seen: list[Any] = []
        self._ranges = ranges
        self._rounded: dict[int, Any] = {}
        self._kept: list[Any] = []  # so that no id is given twice
        self._done: set[int] = set()
        self._fusable: set[int] = set()

    def __call__(self, value: Any) -> Any:
        """A tensor, rounded once however many layers take it."""
        if id(value) in self._done:
            return value
        if id(value) not in self._rounded:
            rounded = value if self._ranges is None else FakeQuant(*self._ranges[len(self.seen)])(value)
            self.seen.append(value)
            self._rounded[id(value)] = rounded
            self._done.add(id(rounded))
        return self._rounded[id(value)]

    def apply(self, layer: Any, inputs: Any, *, rounds_weights: bool) -> Any:
        """Call a copy of a folded network's layer, its inputs rounded unless it is fused with what made them."""
        kind, config = type(layer), layer.get_config()
        if not (is_relu(layer) and id(inputs) in self._fusable):
            inputs = [self(one) for one in inputs] if isinstance(inputs, list) else self(inputs)
        if kind in WEIGHTED:
            step = Step(kind, config, inputs, *layer.get_weights())
            output = step.build(_ROUNDING[kind] if rounds_weights else kind)
        else:
            output = kind.from_config(config)(inputs)
        if kind in UNROUNDED:
            self._done.add(id(output))
        makes_linear = kind is layers.Add or (kind in WEIGHTED and config["activation"] == "linear")
        if makes_linear and len(self._takers.get(id(layer.output), [])) == 1:
            self._fusable.add(id(output))
        self._kept.append(output)
        return output


def with_rounding(folded: Any, ranges: Sequence[_Range] | None, *, rounds_weights: bool) -> tuple[Any, list[Any]]:
    """Rebuild a folded network with its activations rounded.

    Args:
        folded: what `fold` returns.
        ranges: of the activations in order; None rounds nothing.
        rounds_weights: whether weights are rounded, too; for TFLite they are not, its converter does that.

    Returns:
        The network, and the tensors that are rounded in order: the picture first, the logits last.
    """
    rounding = _Rounding(folded, ranges)

    def call(layer: Any, inputs: Any, **_options: Any) -> Any:
        return rounding.apply(layer, inputs, rounds_weights=rounds_weights)

    copy = keras.models.clone_model(folded, clone_function=lambda layer: layer, call_function=call)
    return keras.Model(copy.inputs[0], rounding(copy.outputs[0])), rounding.seen


def find_ranges(folded: Any, calibration: NDArray[np.uint8]) -> list[_Range]:
    """The range of each activation that loses least to rounding and clipping, in mean square.

    Args:
        folded: what `fold` returns.
        calibration: uint8 (n, height, width).
    """
    copy, tensors = with_rounding(folded, None, rounds_weights=False)
    values = keras.Model(copy.inputs[0], tensors[1:]).predict(_to_float(calibration), batch_size=BATCH, verbose=0)
    ranges = [(0.0, 1.0)]  # the picture's: gray value g stands for g / 255
    ranges += [_best_range(np.asarray(one)) for one in (values if isinstance(values, list) else [values])]
    return ranges


def _best_range(values: NDArray[np.float32]) -> _Range:
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    if low == high:
        return 0.0, 1.0
    some = values.ravel()[:: max(1, values.size // 100_000)]

    def loss(share: float) -> float:
        rounded = tf.quantization.fake_quant_with_min_max_args(some, share * low, share * high)
        return float(np.square(rounded - some).mean())

    share = min(CLIPS, key=loss)
    return share * low, share * high


def fine_tune(
    model: Any, calibration: NDArray[np.uint8], pictures: NDArray[np.uint8], *, epochs: int, seed: int
) -> Any:
    """Train a network's int8 form to say what its float form says.

    Args:
        model: the float network, gray pictures in [0, 1] to logits.
        calibration: uint8 (n, height, width); set the activations' ranges, which then stay.
        pictures: uint8 (n, height, width); of the training split.
        epochs: how often all of them are seen.
        seed: of their order and of what is done to them.

    Returns:
        The network with its activations rounded, for `edge_fer_quantize.convert.trained_to_int8_tflite`.

    Raises:
        ModelError: the network has a layer that is unknown here.
    """
    folded = fold(model)
    equalize(folded, _to_float(calibration))
    ranges = find_ranges(folded, calibration)
    student, _ = with_rounding(folded, ranges, rounds_weights=True)
    steps = epochs * -(-len(pictures) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps))
    optimizer.build(student.trainable_variables)

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow is untyped
    def learn(batch: Any) -> Any:
        wanted = tf.nn.softmax(folded(batch, training=False) / TEMPERATURE)
        with tf.GradientTape() as tape:
            said = tf.nn.log_softmax(student(batch, training=True) / TEMPERATURE)
            loss = tf.reduce_mean(tf.reduce_sum(wanted * (tf.math.log(wanted + 1e-9) - said), axis=1))
        variables = student.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        order = rng.permutation(len(pictures))
        parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
        lost = [float(learn(tf.constant(_to_float(_vary(pictures[part], rng))))) for part in parts]
        log.info("epoch %d of %d: divergence from the float network %.5f", epoch + 1, epochs, np.mean(lost))
    trained, _ = with_rounding(folded, ranges, rounds_weights=False)
    for layer in student.layers:
        if type(layer) in _ROUNDING.values():
            trained.get_layer(layer.name).set_weights(layer.get_weights())
    return trained


def _vary(batch: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Mirror half of the pictures, and shift each by a few pixels."""
    height, width = batch.shape[1:]
    reach = LARGEST_SHIFT_PX
    padded = np.pad(batch, ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    varied = np.empty_like(batch)
    for place, picture in enumerate(padded):
        y, x = rng.integers(0, 2 * reach + 1, 2)
        varied[place] = picture[y : y + height, x : x + width]
        if rng.random() < 0.5:
            varied[place] = varied[place, :, ::-1]
    return varied


def _to_float(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.divide(pictures, 255, dtype=np.float32)[..., np.newaxis]
