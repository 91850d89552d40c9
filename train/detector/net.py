"""The network of the detector: plain 3x3 convolutions, which int8 kernels like best, on any input size.

Three output maps of `VALUES` channels at strides 8, 16 and 32, after the feature pyramid idea (Lin et al., CVPR 2017):
what stride 16 knows of the surroundings is doubled by depth-to-space, which unlike interpolation has no size in it, and
added to stride 8.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edge_fer.detect.grid import STRIDES_PX, VALUES

_PRIOR: float = -4.0
"""Score logit of an untrained cell: nearly every cell sees no face (Lin et al., Focal Loss, ICCV 2017)."""


@keras.saving.register_keras_serializable("edge_fer")
class DepthToSpace(layers.Layer):  # type: ignore[misc]  # Keras has no types
    """Doubles height and width with a quarter of the channels."""

    def call(self, inputs: Any) -> Any:
        """From (n, h, w, 4 c) to (n, 2 h, 2 w, c)."""
        return ops.depth_to_space(inputs, 2)


def build(widths: Sequence[int], height_px: int | None = None, width_px: int | None = None) -> keras.Model:
    """The network.

    Args:
        widths: channels at strides 2, 4, 8, 16 and 32.
        height_px: of the input; None for any multiple of 16.
        width_px: likewise.

    Returns:
        From float32 (n, height, width, 1) in [0, 1] to three maps (n, rows, columns, `VALUES`).
    """
    picture = layers.Input((height_px, width_px, 1), name="picture")
    x = _block(picture, widths[0], 2, "stride2")
    x = _block(x, widths[1], 2, "stride4")
    x = _block(x, widths[2], 2, "stride8a")
    fine = _block(x, widths[2], 1, "stride8b")
    x = _block(fine, widths[3], 2, "stride16a")
    middle = _block(x, widths[3], 1, "stride16b")
    x = _block(middle, widths[4], 2, "stride32a")
    coarse = _block(x, widths[4], 1, "stride32b")
    above = layers.Conv2D(4 * widths[2], 1, name="above")(middle)
    fine = layers.ReLU(name="merged")(layers.Add(name="merge")([fine, DepthToSpace(name="double")(above)]))
    outputs = [_head(x, stride) for x, stride in ((fine, 8), (middle, 16), (coarse, 32))]
    net = keras.Model(picture, outputs, name="detector")
    for stride in STRIDES_PX:
        bias = net.get_layer(f"faces{stride}").bias
        bias.assign(np.where(np.arange(VALUES) == 0, _PRIOR, 0).astype(np.float32))
    return net


def training_model(net: keras.Model) -> keras.Model:
    """The network with its maps put together: float32 (n, cells, `VALUES`), as `targets.make_targets` orders them."""
    rows = [layers.Reshape((-1, VALUES), dtype="float32")(output) for output in net.outputs]
    return keras.Model(net.input, layers.Concatenate(axis=1, dtype="float32")(rows))


def _block(x: Any, width: int, stride: int, name: str) -> Any:
    x = layers.Conv2D(width, 3, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.98, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _head(x: Any, stride: int) -> Any:
    start = keras.initializers.RandomNormal(stddev=0.01, seed=stride)
    return layers.Conv2D(VALUES, 3, padding="same", kernel_initializer=start, name=f"faces{stride}")(x)
