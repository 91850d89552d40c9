from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

LABELS = ("happy", "sad", "neutral")


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of blurred noise: train and validation, three labels, more of the first than of the others."""
    root = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("validation", 4)):
        for label in LABELS:
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(count * (2 if label == "happy" else 1)):
                noise = rng.integers(0, 256, (8, 8), dtype=np.uint8)
                cv2.imwrite(str(folder / f"{number:02}.png"), cv2.resize(noise, (48, 48)))
    return root


@pytest.fixture(scope="session")
def save_net(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a small net of random weights; layers can be put into its middle and at its end."""

    def save(
        *middle: Any, end: Any = None, classes: int = len(LABELS), channels: int = 1, ending: str = "keras"
    ) -> Path:
        import keras  # noqa: PLC0415  seconds, for these tests alone
        from keras import layers  # noqa: PLC0415

        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((48, 48, channels))
        x = layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False, name="first")(x)
        x = layers.BatchNormalization()(x)
        for layer in middle or (layers.ReLU(),):
            x = layer(x)
        x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="second")(x)
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(classes, name="logits", kernel_initializer="random_normal")(x)
        path = tmp_path_factory.mktemp("run") / f"model.{ending}"
        keras.Model(inputs, end(x) if end else x).save(path)
        return path

    return save


@pytest.fixture(scope="session")
def net(save_net: Callable[..., Path]) -> Path:
    return save_net()
