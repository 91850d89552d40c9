"""The networks: gray pictures in [0, 1] in, logits out."""

from collections.abc import Sequence

import keras
from keras import layers

Shape = tuple[int, int, int]


def edge(
    shape: Shape,
    classes: int,
    *,
    widths: Sequence[int] = (24, 48, 96, 160),
    depths: Sequence[int] = (1, 2, 2, 2),
    dropout: float = 0.2,
) -> keras.Model:
    """The shipped family: stages of plain 3x3 convolution, BatchNorm and ReLU, each closed by max-pooling.

    It quantizes to int8 without loss and runs as one XNNPACK partition. The first stage, at full resolution, costs the most
    time per weight, so it is one layer deep by default.

    Args:
        shape: height, width, channels of the input.
        classes: number of logits.
        widths: channels of each stage.
        depths: convolutions of each stage.
        dropout: share of the pooled features dropped in training.
    """
    x = inputs = keras.Input(shape)
    for width, depth in zip(widths, depths, strict=True):
        for _ in range(depth):
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout)(x)
    return keras.Model(inputs, layers.Dense(classes, dtype="float32", name="logits")(x), name="edge")
