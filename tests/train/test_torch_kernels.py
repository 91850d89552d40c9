"""Run under PyTorch by `make test-backends`; the comparison is with Keras' own operations on the same engine."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from edge_fer_train.augment import _transforms
from edge_fer_train.nets import build
from edge_fer_train.recipe import Augmentation
from edge_fer_train.torch_kernels import on_fast_kernels, warp

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="of PyTorch alone; run with KERAS_BACKEND=torch"),
]


def network() -> keras.Model:
    x = inputs = keras.Input((17, 16, 1))
    for width, stride, padding in ((4, 1, "same"), (5, 2, "same"), (6, 1, "valid")):
        x = layers.Conv2D(width, 3, strides=stride, padding=padding, activation="relu")(x)
        x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


@pytest.mark.parametrize("training", [False, True])
def test_the_fast_layers_compute_what_keras_computes(training: bool) -> None:
    keras.utils.set_random_seed(1)
    plain = network()
    fast = on_fast_kernels(plain)
    pictures = np.random.default_rng(2).random((8, 17, 16, 1), dtype=np.float32)
    expected, got = (ops.convert_to_numpy(net(pictures, training=training)) for net in (plain, fast))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert [v.path for v in fast.variables] == [v.path for v in plain.variables]
    means = [
        [ops.convert_to_numpy(v) for v in net.non_trainable_variables if "moving_mean" in v.path]
        for net in (plain, fast)
    ]
    for one, other in zip(*means, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-6)
    assert any(m.any() for m in means[1]) is training


def odd(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """Layers of the same classes that the fast ones cannot stand in for."""
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same")(inputs)
    x = layers.Conv2D(4, 3, groups=2)(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.BatchNormalization(axis=1)(x)
    return layers.Dense(3)(layers.BatchNormalization()(layers.Dense(5)(layers.Flatten()(x))))


@pytest.mark.parametrize("name", ["odd", "edge", "conv2d", "simple", "mini-xception"])
def test_every_net_computes_what_keras_computes(name: str) -> None:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((48, 48, 1))
    plain = keras.Model(inputs, odd(inputs)) if name == "odd" else build(name, (48, 48, 1), 7, {})
    pictures = np.random.default_rng(2).random((4, 48, 48, 1), dtype=np.float32)
    expected, got = (ops.convert_to_numpy(net(pictures)) for net in (plain, on_fast_kernels(plain)))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_frozen_norm_keeps_its_statistics() -> None:
    fast = on_fast_kernels(network())
    for layer in fast.layers:
        layer.trainable = False
    fast(np.ones((4, 17, 16, 1), np.float32), training=True)
    assert not any(ops.convert_to_numpy(v).any() for v in fast.variables if "moving_mean" in v.path)


def test_the_policy_is_taken_but_for_the_logits() -> None:
    fast = on_fast_kernels(network(), "mixed_bfloat16")
    assert {layer.compute_dtype for layer in fast.layers if isinstance(layer, layers.Conv2D)} == {"bfloat16"}
    assert fast.layers[-1].compute_dtype == "float32"


def test_the_warp_is_that_of_keras() -> None:
    rng = np.random.default_rng(3)
    pictures = ops.convert_to_tensor(rng.random((6, 20, 24, 1), dtype=np.float32))
    transforms = _transforms(6, 20, 24, Augmentation(shift=0.3, rotate=40, zoom_out=0.5, zoom_in=2), rng)
    expected = ops.image.affine_transform(
        pictures, ops.convert_to_tensor(transforms.copy()), "bilinear", "nearest", data_format="channels_last"
    )
    got = warp(pictures, transforms)
    np.testing.assert_allclose(ops.convert_to_numpy(got), ops.convert_to_numpy(expected), atol=1e-4)
