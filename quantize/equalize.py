"""Makes the channels of an activation equally large, so that one range of 256 steps does justice to all of them.

Between two layers with weights and nothing but ReLU or pooling, a channel may be divided by any number in the one and
multiplied by it in the other: the network stays the same function (Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction", ICCV 2019, section 4.1; here with the activations that pictures reach).
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from .fold import WEIGHTED, takers

_HOMOGENEOUS = (layers.MaxPooling2D, layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D, layers.LeakyReLU)
"""f(s x) = s f(x) for every channel and s > 0; ReLU as well, unless it is cut off above."""


def equalize(folded: Any, pictures: NDArray[np.float32]) -> None:
    """Equalize a folded network's channels in place; what it computes stays.

    Args:
        folded: what `edge_fer_quantize.fold.fold` returns.
        pictures: float32 (n, height, width, 1), whose activations count.
    """
    for before, after in _pairs(folded):
        reached = keras.Model(folded.inputs[0], before.output).predict(pictures, verbose=0)
        largest = np.abs(reached).reshape(-1, reached.shape[-1]).max(axis=0)
        kernel, bias = after.get_weights()
        others = tuple(axis for axis in range(kernel.ndim) if axis != kernel.ndim - 2)
        weights = np.abs(kernel).max(axis=others)  # of each channel that comes in
        alive = (largest > 0) & (weights > 0)
        factor = np.sqrt(np.divide(largest, weights, out=np.ones_like(largest), where=alive))
        factor = np.where(alive, factor / np.exp(np.log(factor[alive]).mean()), 1.0) if alive.any() else factor
        after.set_weights([kernel * factor[:, None], bias])
        kernel, bias = before.get_weights()
        share = factor.reshape(kernel.shape[2:]) if isinstance(before, layers.DepthwiseConv2D) else factor
        before.set_weights([kernel / share, bias / factor])


def _pairs(folded: Any) -> Iterator[tuple[Any, Any]]:
    """Layers with weights that have nothing but homogeneous ones between them."""
    taken = takers(folded)
    for before in folded.layers:
        if type(before) not in WEIGHTED or before.activation not in (
            keras.activations.linear,
            keras.activations.relu,
        ):
            continue
        after = before
        while len(found := taken.get(id(after.output), [])) == 1:
            after = found[0]
            if type(after) in WEIGHTED:
                yield before, after
            if not _is_homogeneous(after):
                break


def _is_homogeneous(layer: Any) -> bool:
    if type(layer) is layers.ReLU:
        return layer.max_value is None and layer.threshold == 0
    is_relu = type(layer) is layers.Activation and layer.activation is keras.activations.relu
    return is_relu or type(layer) in _HOMOGENEOUS
