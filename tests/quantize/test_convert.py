from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.errors import ModelError
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import open_interpreter
from edge_fer_quantize.audit import INT8_OPERATORS, find_obstacles, list_operators
from edge_fer_quantize.convert import load_keras, to_float_tflite, to_int8_tflite

# Keras 3.15 has not learned all of NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

PICTURES = np.random.default_rng(0).integers(0, 256, (8, 48, 48), dtype=np.uint8)


def run(content: bytes, batch: NDArray[Any]) -> NDArray[np.float64]:
    interpreter = open_interpreter(content)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
    interpreter.invoke()
    output = interpreter.get_output_details()[0]
    scale, zero_point = output["quantization"]
    real: NDArray[np.float64] = interpreter.get_tensor(output["index"])[0].astype(np.float64)
    return (real - zero_point) * scale if scale else real


def advice(path: Path) -> list[str]:
    model = load_keras(path)
    operators = list_operators(to_int8_tflite(model, PICTURES), [layer.name for layer in model.layers])
    return [one.advice for one in find_obstacles(operators)]


def test_float_and_int8_say_what_keras_says(net: Path) -> None:
    model = load_keras(net)
    real = (PICTURES[0] / 255).astype(np.float32)[None, ..., None]
    keras_logits = np.asarray(model(real))[0]
    np.testing.assert_allclose(run(to_float_tflite(model), real), keras_logits, atol=1e-5)
    int8 = run(to_int8_tflite(model, PICTURES), to_model_input(PICTURES[0]))
    np.testing.assert_allclose(int8, keras_logits, atol=0.05 * np.ptp(keras_logits) + 0.01)


def test_the_input_is_exactly_the_gray_value_whatever_the_calibration(net: Path) -> None:
    dull = np.full((2, 48, 48), 100, np.uint8)
    takes = open_interpreter(to_int8_tflite(load_keras(net), dull)).get_input_details()[0]
    assert takes["dtype"] is np.int8
    assert takes["shape"].tolist() == [1, 48, 48, 1]
    assert takes["quantization"] == (float(np.float32(1 / 255)), -128)


@pytest.mark.parametrize("form", ["layer", "activation", "dense"])
def test_softmax_at_the_end_is_cut_off(save_net: Callable[..., Path], form: str) -> None:
    from keras import layers  # noqa: PLC0415

    end = {
        "layer": layers.Softmax(),
        "activation": layers.Activation("softmax"),
        "dense": layers.Dense(3, activation="softmax"),
    }[form]
    model = load_keras(save_net(end=end))
    logits = np.asarray(model(np.full((1, 48, 48, 1), 0.5, np.float32)))[0]
    assert abs(logits.sum() - 1) > 1e-3
    operators = list_operators(to_int8_tflite(model, PICTURES), [layer.name for layer in model.layers])
    assert "SOFTMAX" not in [one.name for one in operators]


def test_a_file_of_the_older_format_is_read(save_net: Callable[..., Path]) -> None:
    assert load_keras(save_net(ending="h5")).outputs[0].shape == (None, 3)


def test_what_keras_cannot_load(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.keras: no such file; the trainer leaves model\.keras"):
        load_keras(tmp_path / "model.keras")
    (tmp_path / "model.keras").write_bytes(b"")
    with pytest.raises(ModelError, match=r"model\.keras: this is not a Keras model that can be loaded: "):
        load_keras(tmp_path / "model.keras")


def test_a_model_of_colours(save_net: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match=r"takes pictures of shape \(48, 48, 3\); the daemon gives gray ones"):
        load_keras(save_net(channels=3))


def test_a_model_with_two_heads(save_net: Callable[..., Path]) -> None:
    with pytest.raises(ModelError, match="has 1 inputs and 2 outputs; the daemon gives it one picture"):
        load_keras(save_net(end=lambda x: [x, x * 2]))


def test_a_plain_net_has_no_obstacle(net: Path) -> None:
    assert advice(net) == []
    model = load_keras(net)
    operators = list_operators(to_int8_tflite(model, PICTURES), [layer.name for layer in model.layers])
    assert [(one.name, one.layer) for one in operators] == [
        ("CONV_2D", model.layers[3].name),  # convolution, normalization and ReLU in one
        ("CONV_2D", "second"),
        ("RESHAPE", "flatten"),
        ("FULLY_CONNECTED", "logits"),
    ]
    assert {one.name for one in operators} <= INT8_OPERATORS


def test_obstacles_are_named_with_their_layer_and_what_to_use_instead(save_net: Callable[..., Path]) -> None:
    from keras import layers  # noqa: PLC0415

    net = save_net(
        layers.ELU(name="elu_here"),
        layers.AveragePooling2D(2, padding="same", name="shrink"),
        layers.PReLU(shared_axes=[1, 2], name="learned"),
    )
    assert advice(net) == [
        "layer 'elu_here': ELU runs in float between a dequantize and a quantize; "
        "use ReLU or ReLU6 right behind a convolution, or LeakyReLU",
        "layer 'shrink': AVERAGE_POOL_2D has no int8 XNNPACK kernel; "
        "use MaxPooling2D or a strided convolution; GlobalAveragePooling2D at the end is fine",
        "layer 'learned': PRELU has no int8 XNNPACK kernel; use ReLU or ReLU6 right behind a convolution, or LeakyReLU",
    ]
