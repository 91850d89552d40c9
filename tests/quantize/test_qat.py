from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.errors import ModelError
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import open_interpreter

# Keras 3.15 has not learned all of NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

RNG = np.random.default_rng(0)
PICTURES = np.repeat(np.repeat(RNG.integers(0, 256, (200, 6, 6), dtype=np.uint8), 4, axis=1), 4, axis=2)
REAL = (PICTURES / 255).astype(np.float32)[..., None]


def run(content: bytes) -> NDArray[np.float64]:
    interpreter = open_interpreter(content)
    output = interpreter.get_output_details()[0]
    scale, zero_point = output["quantization"]
    logits = []
    for picture in PICTURES:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], to_model_input(picture))
        interpreter.invoke()
        logits.append((interpreter.get_tensor(output["index"])[0].astype(np.float64) - zero_point) * scale)
    return np.array(logits)


def shaken(model: Any) -> Any:
    """The net with BatchNorms as if it had been trained."""
    from keras import layers  # noqa: PLC0415

    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            n = layer.gamma.shape[0]
            layer.set_weights([rng.uniform(0.5, 2, n), rng.normal(0, 0.3, n), rng.normal(0, 0.3, n), np.ones(n)])
    return model


@pytest.fixture(scope="module")
def every_layer() -> Any:
    """A net of all that can be fine-tuned: it branches, adds and concatenates."""
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((24, 24, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization()(x)
    shortcut = x = layers.ReLU()(x)
    x = layers.SeparableConv2D(8, 3, padding="same", name="separable")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(layers.Add(name="sum")([x, shortcut]))
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Concatenate()([layers.LeakyReLU()(x), x])
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Conv2D(8, 1, activation="relu", name="last")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return shaken(keras.Model(inputs, layers.Dense(5, name="logits", kernel_initializer="random_normal")(x)))


@pytest.fixture
def lopsided() -> Any:
    """A net one of whose channels is 1000 times larger than it need be: a range for all leaves the others no steps."""
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((24, 24, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(16, 3, strides=2, padding="same", name="after", activation="relu")(x)
    x = layers.Flatten()(x)
    model = shaken(keras.Model(inputs, layers.Dense(5, kernel_initializer="random_normal")(x)))
    norm, after = model.get_layer("norm"), model.get_layer("after")
    factor = np.array([1000.0] + [1.0] * 7)
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([gamma * factor, beta * factor, mean, variance])
    kernel, bias = after.get_weights()
    after.set_weights([kernel / factor[:, None], bias])
    return model


def test_a_folded_net_computes_the_same(every_layer: Any) -> None:
    from edge_fer_quantize.fold import fold  # noqa: PLC0415

    folded = fold(every_layer)
    assert [type(one).__name__ for one in folded.layers if "Norm" in type(one).__name__] == []
    np.testing.assert_allclose(
        folded.predict(REAL, verbose=0), every_layer.predict(REAL, verbose=0), rtol=1e-4, atol=1e-5
    )


def test_an_equalized_net_computes_the_same_with_channels_of_one_size(lopsided: Any) -> None:
    import keras  # noqa: PLC0415

    from edge_fer_quantize.equalize import equalize  # noqa: PLC0415
    from edge_fer_quantize.fold import fold  # noqa: PLC0415

    def spread(net: Any) -> float:
        hidden = keras.Model(net.inputs[0], net.layers[2].output).predict(REAL, verbose=0).max(axis=(0, 1, 2))
        return float(hidden.max() / hidden.min())

    folded = fold(lopsided)
    before = folded.predict(REAL, verbose=0)
    assert spread(folded) > 1000
    equalize(folded, REAL)
    assert spread(folded) < 50
    np.testing.assert_allclose(folded.predict(REAL, verbose=0), before, rtol=1e-3, atol=1e-4)


def test_the_trained_net_is_one_block_of_int8_code(every_layer: Any) -> None:
    from edge_fer_quantize.audit import find_obstacles, list_operators  # noqa: PLC0415
    from edge_fer_quantize.convert import trained_to_int8_tflite  # noqa: PLC0415
    from edge_fer_quantize.qat import fine_tune  # noqa: PLC0415

    tuned = fine_tune(every_layer, PICTURES[:64], PICTURES, epochs=1, seed=0)
    content = trained_to_int8_tflite(tuned)
    assert find_obstacles(list_operators(content, [layer.name for layer in tuned.layers])) == []
    interpreter = open_interpreter(content)
    takes, gives = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (takes["dtype"], gives["dtype"]) == (np.int8, np.int8)
    assert takes["quantization"] == (float(np.float32(1 / 255)), -128)
    kernels = {
        tuple(one["shape"]): len(one["quantization_parameters"]["scales"])
        for one in interpreter.get_tensor_details()
        if one["dtype"] is np.int8 and len(one["shape"]) == 4
    }
    assert kernels[8, 3, 3, 1] == 8  # of the stem: a scale per channel
    assert kernels[1, 3, 3, 16] == 16  # depthwise, too
    # What was trained is what runs, to the rounding of a step of the logits or two.
    steps = abs(run(content) - tuned.predict(REAL, verbose=0)) / gives["quantization"][0]
    assert np.percentile(steps, 95) <= 2


def test_it_heals_a_net_that_plain_quantization_hurts(lopsided: Any) -> None:
    from edge_fer_quantize.convert import to_int8_tflite, trained_to_int8_tflite  # noqa: PLC0415
    from edge_fer_quantize.qat import fine_tune  # noqa: PLC0415

    real = lopsided.predict(REAL, verbose=0)

    def noise(content: bytes) -> float:
        return float(np.square(run(content) - real).mean() / real.var())

    plain = noise(to_int8_tflite(lopsided, PICTURES[:64]))
    tuned = noise(trained_to_int8_tflite(fine_tune(lopsided, PICTURES[:64], PICTURES, epochs=2, seed=0)))
    assert plain > 0.05
    assert tuned < plain / 10


def test_training_lowers_the_divergence(lopsided: Any, caplog: pytest.LogCaptureFixture) -> None:
    from edge_fer_quantize.qat import fine_tune  # noqa: PLC0415

    with caplog.at_level("INFO"):
        fine_tune(lopsided, PICTURES[:64], PICTURES, epochs=4, seed=0)
    lost = [float(line.rpartition(" ")[2]) for line in caplog.messages if "divergence" in line]
    assert len(lost) == 4
    assert lost[-1] < lost[0]


def test_layers_that_cannot_be_fine_tuned_are_named(save_net: Callable[..., Path]) -> None:
    import keras  # noqa: PLC0415
    from keras import layers  # noqa: PLC0415

    from edge_fer_quantize.convert import load_keras  # noqa: PLC0415
    from edge_fer_quantize.fold import fold  # noqa: PLC0415

    with pytest.raises(ModelError, match="layer 'soft': quantization-aware training knows no ELU: quantize with"):
        fold(load_keras(save_net(layers.ELU(name="soft"))))
    inputs = keras.Input((24, 24, 1))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, activation="relu")(inputs))
    with pytest.raises(ModelError, match="layer 'norm': a BatchNormalization can be folded only right behind"):
        fold(keras.Model(inputs, layers.Flatten()(x)))
