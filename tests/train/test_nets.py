import re

import keras
import numpy as np
import pytest
from keras import layers

from edge_fer.errors import ConfigError
from edge_fer_train.complexity import count_macs
from edge_fer_train.nets import NETS, build
from edge_fer_train.objective import first_trained, train_from, training_model
from edge_fer_train.recipe import Recipe


def mine(shape: tuple[int, int, int], classes: int, *, hidden: int = 4) -> keras.Model:
    x = inputs = keras.Input(shape)
    x = layers.Dense(hidden)(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(classes)(x))


def not_a_net(shape: tuple[int, int, int], classes: int) -> int:
    return classes


@pytest.mark.parametrize("name", ["edge", "conv2d", "simple", "mini-xception", "vgg16"])
def test_a_net_maps_pictures_to_logits(name: str) -> None:
    net = build(name, (48, 48, 1), 7, {})
    logits = np.asarray(net(np.random.default_rng(0).random((2, 48, 48, 1), np.float32)))
    assert logits.shape == (2, 7)
    assert logits.dtype == np.float32
    assert logits.min() < 0 or logits.sum(axis=1) != pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("edge", 528_031), ("conv2d", 2_395_591), ("simple", 839_047), ("mini-xception", 58_423)],
)
def test_parameters(name: str, parameters: int) -> None:
    assert build(name, (48, 48, 1), 7, {}).count_params() == parameters


def test_the_shipped_family_is_plain_convolutions_within_budget() -> None:
    net = build("edge", (48, 48, 1), 7, {})
    kinds = {type(layer).__name__ for layer in net.layers}
    assert kinds <= {
        "InputLayer", "Conv2D", "BatchNormalization", "ReLU", "MaxPooling2D", "GlobalAveragePooling2D",
        "Dropout", "Dense",
    }  # fmt: skip
    assert {layer.kernel_size for layer in net.layers if isinstance(layer, layers.Conv2D)} == {(3, 3)}
    assert count_macs(net) < 110e6


def test_macs_by_hand() -> None:
    net = build("edge", (8, 8, 1), 3, {"widths": [4, 2], "depths": [1, 1]})
    assert count_macs(net) == 64 * 9 * 4 + 16 * 9 * 4 * 2 + 2 * 3
    x = keras.Input((8, 8, 4))
    assert count_macs(keras.Model(x, layers.SeparableConv2D(6, 3, padding="same")(x))) == 64 * (9 * 4 + 4 * 6)


def test_large_nets_take_weights_and_size() -> None:
    net = build("vgg16", (48, 48, 1), 7, {"image_size": 32, "weights": None})
    assert net.get_layer("block5_pool").output.shape[1:3] == (1, 1)
    assert "mixed10" in [layer.name for layer in NETS["inceptionv3"]((48, 48, 1), 7).layers]


def test_the_users_own_net() -> None:
    assert build(f"{__name__}:mine", (8, 8, 1), 3, {"hidden": 2}).count_params() == 64 * 2 + 2 + 2 * 3 + 3


@pytest.mark.parametrize(
    ("net", "arguments", "sentence"),
    [
        ("unknown", {}, "built in are edge, conv2d"),
        ("edge", {"width": 3}, "net_args: got an unexpected keyword argument 'width'"),
        ("edge", {"widths": [8]}, "1 widths and 4 depths"),
        ("absent.module:net", {}, "No module named 'absent'"),
        ("json:net", {}, "module json has no net"),
        (f"{__name__}:not_a_net", {}, "must return a functional Keras model"),
    ],
)
def test_a_net_that_cannot_be_built(net: str, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        build(net, (48, 48, 1), 7, arguments)


def test_freezing_up_to_a_layer() -> None:
    net = build("edge", (16, 16, 1), 3, {"widths": [4, 8], "depths": [1, 1]})
    train_from(net, first_trained(net, "head"))
    assert [v.path for v in net.trainable_variables] == ["logits/kernel", "logits/bias"]
    train_from(net, first_trained(net, net.layers[5].name))
    assert len(net.trainable_variables) == 5
    train_from(net, first_trained(net, "all"))
    assert len(net.trainable_variables) == 8
    with pytest.raises(ConfigError, match=r"trainable: absent: no layer of edge; it has conv2d.*, logits"):
        first_trained(net, "absent")


def test_further_signals_are_outputs_that_the_net_does_not_have() -> None:
    net = build("edge", (16, 16, 1), 3, {"widths": [4], "depths": [1]})
    model = training_model(net, Recipe(use_votes="head", teachers=("t.keras",), distill_temperature=2))
    outputs = model(np.ones((1, 16, 16, 1), np.float32))
    assert {k: v.shape for k, v in outputs.items()} == {"label": (1, 3), "votes": (1, 8), "teacher": (1, 3)}
    assert np.asarray(outputs["teacher"]) == pytest.approx(np.asarray(outputs["label"]) / 2)
    assert model.count_params() == net.count_params() + 4 * 8 + 8
