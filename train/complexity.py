"""What a network costs to run."""

import math

import keras
from keras import layers


def count_macs(net: keras.Model) -> int:
    """Multiply-accumulates of one picture through the convolutions and dense layers of a functional model."""
    return sum(_layer_macs(layer) for layer in net.layers)


def _layer_macs(layer: keras.Layer) -> int:
    match layer:
        case layers.SeparableConv2D():
            positions = math.prod(layer.output.shape[1:3])
            per_position = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
            return int(positions * per_position)
        case layers.DepthwiseConv2D() | layers.Conv2D():
            return int(math.prod(layer.output.shape[1:3]) * math.prod(layer.kernel.shape))
        case layers.Dense():
            return int(math.prod(layer.kernel.shape))
        case _:
            return 0
