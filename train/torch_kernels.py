"""PyTorch's own kernels for what Keras puts together from many small operations.

Keras normalizes, pools and warps for PyTorch step by step and moves the channels back and forth in between. The same
layers called directly, on channels-last views of the same memory, train a network of plain convolutions three times as
fast on a CPU.
"""

from typing import Any, Final

import keras
from keras import layers


def on_fast_kernels(net: keras.Model, policy: str | None = None) -> keras.Model:
    """The network on the fastest layers that the engine has for it.

    Args:
        net: a functional model of channels-last pictures.
        policy: Keras' dtype policy of its layers, all but the logits; None leaves them as they are.

    Returns:
        Under PyTorch a copy with the same names, variables and weights, elsewhere the network itself.
    """
    if keras.backend.backend() != "torch":
        return net
    logits = [layer for layer in net.layers if layer.weights][-1]

    def convert(layer: layers.Layer) -> layers.Layer:
        config = layer.get_config()
        if policy is not None and layer is not logits:
            config["dtype"] = policy
        return _class_for(layer).from_config(config)

    fast = keras.models.clone_model(net, clone_function=convert)
    fast.set_weights(net.get_weights())
    return fast


def _class_for(layer: layers.Layer) -> Any:
    """The fast class of a layer, where it computes the very same; else the layer's own."""
    own = type(layer)
    match layer:
        case layers.Conv2D():
            same = layer.dilation_rate == (1, 1) and layer.groups == 1 and layer.data_format == "channels_last"
        case layers.BatchNormalization():
            same = len(layer.input.shape) == 4 and layer.axis in {-1, 3}
        case layers.MaxPooling2D():
            same = layer.padding == "valid" and layer.data_format == "channels_last"
        case _:
            same = False
    return _FAST.get(own, own) if same else own


def _same_padding(size_px: int, kernel_px: int, stride: int) -> tuple[int, int]:
    """Padding before and after, such that the output has ceil(size / stride) elements, as TensorFlow defines it."""
    total = max((-(-size_px // stride) - 1) * stride + kernel_px - size_px, 0)
    return total // 2, total - total // 2


def warp(pictures: Any, transforms: Any) -> Any:
    """Affine views, bilinear, the border repeated outwards: as `keras.ops.image.affine_transform`, ten times as fast.

    Args:
        pictures: tensor float32 (n, height, width, channels).
        transforms: array float32 (n, 8), [a, b, e, c, d, f, 0, 0]: pixel (x, y) of a view shows the picture's
            (a x + b y + e, c x + d y + f).

    Returns:
        tensor float32 (n, height, width, channels).
    """
    import torch  # noqa: PLC0415  only the engine in use

    n, height, width, _ = pictures.shape
    matrix = torch.as_tensor(transforms[:, :6], device=pictures.device).reshape(n, 2, 3)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3).to(matrix)
    source = (pixels @ matrix.transpose(1, 2)).reshape(n, height, width, 2)
    extent = torch.tensor([width, height], dtype=matrix.dtype, device=matrix.device)
    grid = (2 * source + 1) / extent - 1
    views = torch.nn.functional.grid_sample(
        pictures.permute(0, 3, 1, 2), grid, "bilinear", "border", align_corners=False
    )
    return views.permute(0, 2, 3, 1)


class _Conv2D(layers.Conv2D):  # type: ignore[misc]  # Keras has no types
    def call(self, inputs: Any) -> Any:
        from torch.nn import functional  # noqa: PLC0415  only the engine in use

        x = inputs.permute(0, 3, 1, 2)
        padding = [0, 0]
        if self.padding == "same":
            (top, bottom), (left, right) = (
                _same_padding(size, kernel, stride)
                for size, kernel, stride in zip(x.shape[2:], self.kernel_size, self.strides, strict=True)
            )
            if (top, left) == (bottom, right):
                padding = [top, left]
            else:
                x = functional.pad(x, (left, right, top, bottom))
        kernel = self.kernel.value.to(x.dtype).permute(3, 2, 0, 1)
        bias = self.bias.value.to(x.dtype) if self.use_bias else None
        y = functional.conv2d(x, kernel, bias, self.strides, padding)
        return self.activation(y.permute(0, 2, 3, 1))


class _BatchNormalization(layers.BatchNormalization):  # type: ignore[misc]  # likewise
    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:  # noqa: ARG002  Keras' signature
        from torch.nn import functional  # noqa: PLC0415  only the engine in use

        normalized = functional.batch_norm(
            inputs.permute(0, 3, 1, 2),
            self.moving_mean.value,
            self.moving_variance.value,
            self.gamma.value if self.scale else None,
            self.beta.value if self.center else None,
            training=bool(training) and self.trainable,
            momentum=1 - self.momentum,
            eps=self.epsilon,
        )
        return normalized.permute(0, 2, 3, 1)


class _MaxPooling2D(layers.MaxPooling2D):  # type: ignore[misc]  # likewise
    def call(self, inputs: Any) -> Any:
        from torch.nn import functional  # noqa: PLC0415  only the engine in use

        return functional.max_pool2d(inputs.permute(0, 3, 1, 2), self.pool_size, self.strides).permute(0, 2, 3, 1)


_FAST: Final[dict[type, Any]] = {
    layers.Conv2D: _Conv2D,
    layers.BatchNormalization: _BatchNormalization,
    layers.MaxPooling2D: _MaxPooling2D,
}
