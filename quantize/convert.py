"""From a Keras model to a full-integer TFLite network; needs TensorFlow.

Post-training quantization: weights per channel, activations per tensor by the range that the calibration
pictures reach (Jacob et al., CVPR 2018). Gray value g of a picture is the real number g / 255.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import ModelError

# TensorFlow's C++ prints a screenful on import and on every conversion; errors still come through.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf


def load_keras(path: Path) -> Any:
    """Read a Keras model and make sure that the daemon can feed it.

    Args:
        path: a `.keras` or `.h5` file.

    Returns:
        A keras.Model with one input, gray pictures, and one output, a vector of logits: softmax is cut off.

    Raises:
        ModelError: the file is no Keras model, or the model takes or gives something else.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file; the trainer leaves model.keras in its run folder")
    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{path}: this is not a Keras model that can be loaded: {reason}") from error
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"{path}: the model has {len(model.inputs)} inputs and {len(model.outputs)} outputs; "
            "the daemon gives it one picture and reads one vector of logits"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or None in shape or shape[2] != 1:
        raise ModelError(
            f"{path}: the model takes pictures of shape {shape}; the daemon gives gray ones, (height, width, 1)"
        )
    return without_softmax(model)


def without_softmax(model: Any) -> Any:
    """Cut off a softmax at the end: in int8 it would leave 256 steps of probability, and XNNPACK has none."""
    last = next(layer for layer in reversed(model.layers) if layer.output is model.outputs[0])
    if isinstance(last, keras.layers.Softmax) or (
        isinstance(last, keras.layers.Activation) and last.activation is keras.activations.softmax
    ):
        return keras.Model(model.inputs[0], last.input, name=model.name)
    if getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
    return model


def to_float_tflite(model: Any) -> bytes:
    """The same network in float32 TFLite."""
    return _convert(_converter(model))


def to_int8_tflite(model: Any, calibration: NDArray[np.uint8]) -> bytes:
    """Quantize a model; operators that have no integer form stay float, see `quantize.audit`.

    Args:
        model: what `load_keras` returns.
        calibration: uint8 (n, height, width), the pictures whose activations set the ranges. An all-black and
            an all-white one are added, so that the input's scale is exactly 1/255 and its zero point -128.

    Returns:
        The `.tflite` file's bytes: int8 in, int8 out.
    """

    def pictures() -> Iterator[list[NDArray[np.float32]]]:
        ends = np.array([0, 255], np.uint8)[:, None, None] * np.ones_like(calibration[:1])
        for picture in np.concatenate([ends, calibration]):
            yield [(picture.astype(np.float32) / 255)[np.newaxis, ..., np.newaxis]]

    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = pictures
    # The second set lets an operator without an integer form through as float, for the audit to name it.
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _convert(converter)


def trained_to_int8_tflite(model: Any) -> bytes:
    """Convert a network that was trained with rounding: its roundings say the ranges.

    Args:
        model: what `edge_fer_quantize.qat.fine_tune` returns.

    Returns:
        The `.tflite` file's bytes: int8 in, int8 out.
    """
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _convert(converter)


def _converter(model: Any) -> Any:
    # A fixed batch of one: a free dimension costs SHAPE and RESHAPE operators at run time.
    face = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]), name="face")
    # A name of its own, for Keras would count up, and names end up in the file.
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(face, model(face), name="network"))


def _convert(converter: Any) -> bytes:
    with warnings.catch_warnings(), redirect_stdout(StringIO()):  # Keras prints what it exports
        warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
        try:
            return bytes(converter.convert())
        except (ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"the TFLite converter refuses the model: {reason}") from error
