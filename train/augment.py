"""Augmentation of whole batches as tensor operations, the same under every Keras backend.

The random numbers are drawn by NumPy from a generator that the caller seeds per step, so a resumed run sees
the very same views; the pixels are moved by Keras operations on the whole batch at once.
"""

from dataclasses import dataclass
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from . import torch_kernels
from .recipe import Augmentation

BLUR: Final = 1.2 / 48
"""Largest standard deviation of the blur, in heights of a picture: a face of 20 pixels enlarged to 48 is as blurred."""

NOISE: Final = 0.05
"""Largest standard deviation of the noise, in units of white: 12 of 255, a webcam's in a dim room."""

SHADE: Final = 0.7
"""Largest share of its gray value that a side in the shade loses: a lighting ratio of 14 at a gamma of 2.2."""

HAT: Final = (0.02, 0.24)
"""Where a hat's brim crosses the middle of the face, in heights of a picture; brows of FER2013 are at a quarter."""

SCARF: Final = (0.84, 1.0)
"""Likewise the upper edge of a scarf."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """How the samples of a batch were blended: `weight * own + (1 - weight) * partner`.

    Attributes:
        weight: float32 (n,), 1 for a sample left alone.
        partner: int64 (n,), index of the sample blended in.
    """

    weight: NDArray[np.float32]
    partner: NDArray[np.int64]

    def blend(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Blend targets, float32 (n, …), as the pictures were blended."""
        weight = self.weight.reshape(-1, *[1] * (values.ndim - 1))
        blended: NDArray[np.float32] = weight * values + (1 - weight) * values[self.partner]
        return blended


@dataclass(frozen=True, slots=True)
class Views:
    """New views of a batch of pictures, each a backend tensor float32 (n, height, width, 1) in [0, 1].

    Attributes:
        images: what the network sees.
        unspoiled: the same without headwear, shade, blur, noise and erased rectangles. A teacher who sees these teaches
            to see through what spoils a picture, not to be deceived as it would be (Xie et al., Noisy Student, CVPR
            2020).
        mixing: how samples were blended, None if they were not.
    """

    images: Any
    unspoiled: Any
    mixing: Mixing | None


def augment(images: NDArray[np.uint8], options: Augmentation, rng: np.random.Generator) -> Views:
    """Give a batch of pictures new views.

    Args:
        images: uint8 (n, height, width).
        options: what may happen to a picture, and how much of it.
        rng: source of every random number.
    """
    n, height, width = images.shape
    x = ops.divide(ops.cast(ops.convert_to_tensor(images[..., np.newaxis]), "float32"), 255.0)
    if options.moves:
        transform = _transforms(n, height, width, options, rng)
        x = _warp(x, transform)
    if options.contrast or options.brightness:
        gain = ops.convert_to_tensor(1 + options.contrast * rng.uniform(-1, 1, (n, 1, 1, 1)).astype(np.float32))
        shift = ops.convert_to_tensor(options.brightness * rng.uniform(-1, 1, (n, 1, 1, 1)).astype(np.float32))
        mean = ops.mean(x, axis=(1, 2, 3), keepdims=True)
        x = ops.clip((x - mean) * gain + mean + shift, 0.0, 1.0)
    unspoiled = x
    if options.headwear:
        hidden, cloth = _headwear(n, height, width, options.headwear, rng)
        x = x + ops.convert_to_tensor(hidden) * (ops.convert_to_tensor(cloth) - x)
    if options.shade:
        x = x * ops.convert_to_tensor(_shades(n, height, width, options.shade, rng))
    if options.blur:
        chosen = rng.random(n) < options.blur
        x = _blurred(x, np.where(chosen, rng.uniform(0, BLUR, n), 0.0) * height)
    if options.noise:
        deviation = np.where(rng.random(n) < options.noise, rng.uniform(0, NOISE, n), 0.0).reshape(n, 1, 1, 1)
        grain = deviation.astype(np.float32) * rng.standard_normal((n, height, width, 1), dtype=np.float32)
        x = ops.clip(x + ops.convert_to_tensor(grain), 0.0, 1.0)
    if options.erase:
        mask, gray = _rectangles(n, height, width, options.erase, rng)
        x = ops.where(ops.convert_to_tensor(mask), ops.convert_to_tensor(gray), x)
    if not options.mixup:
        return Views(x, unspoiled, None)
    mixing = _mixing(n, options, rng)
    spoiled = x is not unspoiled
    x = _mixed(x, mixing)
    return Views(x, _mixed(unspoiled, mixing) if spoiled else x, mixing)


def plain(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's input without augmentation: float32 (n, height, width, 1) in [0, 1]."""
    return images[..., np.newaxis].astype(np.float32) / np.float32(255)


def _warp(x: Any, transforms: NDArray[np.float32]) -> Any:
    if keras.backend.backend() == "torch":
        return torch_kernels.warp(x, transforms)
    return ops.image.affine_transform(
        x, ops.convert_to_tensor(transforms), "bilinear", "nearest", data_format="channels_last"
    )


def _transforms(
    n: int, height: int, width: int, options: Augmentation, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Projective transforms, float32 (n, 8), that map a pixel of the view to the pixel of the picture it shows."""
    angle = np.deg2rad(rng.uniform(-options.rotate, options.rotate, n))
    zoom = np.exp(rng.uniform(np.log(options.zoom_out), np.log(options.zoom_in), n))
    mirror = np.where(rng.random(n) < options.flip, -1.0, 1.0)
    shift = rng.uniform(-options.shift, options.shift, (2, n)) * np.array([[width], [height]])
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    a, b, c, d = mirror * cos, -mirror * sin, sin, cos
    e = centre_x + shift[0] - a * centre_x - b * centre_y
    f = centre_y + shift[1] - c * centre_x - d * centre_y
    zero = np.zeros(n)
    return np.stack([a, b, e, c, d, f, zero, zero], axis=1).astype(np.float32)


def _shades(n: int, height: int, width: int, probability: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Factors (n, height, width, 1) of light from one side: beyond a line near the centre, hard or soft, less of it."""
    direction = rng.uniform(-np.pi, np.pi, (n, 1, 1))
    centre = rng.uniform(-0.25, 0.25, (n, 1, 1))
    width_of_edge = np.exp(rng.uniform(np.log(0.02), np.log(0.3), (n, 1, 1)))
    depth = np.where(rng.random((n, 1, 1)) < probability, rng.uniform(0, SHADE, (n, 1, 1)), 0.0)
    y = ((np.arange(height) + 0.5) / height - 0.5)[:, np.newaxis]
    x = (np.arange(width) + 0.5) / width - 0.5
    beyond = (np.cos(direction) * x + np.sin(direction) * y - centre) / width_of_edge
    factors: NDArray[np.float32] = (1 - depth * (0.5 + 0.5 * np.tanh(beyond)))[..., np.newaxis].astype(np.float32)
    return factors


def _headwear(
    n: int, height: int, width: int, probability: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Hats, scarves, and hoods, which are both: how much they hide (0 to 1), their gray; (n, height, width, 1) each.

    The brim runs above the eyes, at most over the brows, straight or as a bow that hangs down on both sides of the
    face; the scarf likewise below the mouth. Most are nearly white or nearly black, as it is those that mislead.
    """

    def draw(low: float, high: float) -> NDArray[np.float64]:
        return rng.uniform(low, high, (n, 1, 1))

    y = ((np.arange(height) + 0.5) / height)[:, np.newaxis]
    x = (np.arange(width) + 0.5) / width - 0.5
    off_centre = (2 * (x - draw(-0.1, 0.1))) ** 2
    tilted = y - draw(-0.2, 0.2) * x
    hat = draw(*HAT) + draw(-0.1, 0.5) * off_centre - tilted
    scarf = tilted - (draw(*SCARF) - draw(0.0, 0.6) * off_centre)
    worn = rng.choice(3, n, p=(0.5, 0.2, 0.3))[:, np.newaxis, np.newaxis]
    inside = np.choose(worn, (hat, scarf, np.maximum(hat, scarf)))
    mask = 0.5 + 0.5 * np.tanh(inside / draw(0.01, 0.04))
    mask *= rng.random((n, 1, 1)) < probability
    ribs = np.cos(2 * np.pi * (draw(0, 8) * x + draw(-8, 8) * y + draw(0, 1)))
    dye = 0.5 - 0.5 * np.cos(np.pi * draw(0, 1))
    cloth = dye + draw(0, 0.2) * ribs + draw(0, 0.1) * rng.standard_normal((n, height, width))
    return mask[..., np.newaxis].astype(np.float32), np.clip(cloth, 0, 1)[..., np.newaxis].astype(np.float32)


def _blurred(x: Any, deviation_px: NDArray[np.float64]) -> Any:
    """Gaussian blur by as many pixels as each picture's standard deviation says; the border is repeated outwards."""
    reach = int(np.ceil(2.5 * BLUR * x.shape[1]))
    offsets = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 * (offsets[:, None] / np.maximum(deviation_px, 1e-3)) ** 2)
    taps = (taps / taps.sum(axis=0)).astype(np.float32).reshape(len(offsets), -1, 1, 1, 1)
    weights = ops.convert_to_tensor(taps)
    for axis in (1, 2):
        size = x.shape[axis]
        indices = np.clip(np.arange(-reach, size + reach), 0, size - 1).astype(np.int32)
        padded = ops.take(x, ops.convert_to_tensor(indices), axis=axis)
        cuts = [slice(None)] * 4
        total = 0.0
        for tap in range(len(offsets)):
            cuts[axis] = slice(tap, tap + size)
            total = total + weights[tap] * padded[tuple(cuts)]
        x = total
    return x


def _rectangles(
    n: int, height: int, width: int, probability: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Masks (n, height, width, 1) of random rectangles of 2 to 25 % of the area, and the gray that fills each."""
    area = rng.uniform(0.02, 0.25, n)
    aspect = np.exp(rng.uniform(np.log(0.4), np.log(2.5), n))
    h, w = np.sqrt(area * aspect), np.sqrt(area / aspect)
    top, left = rng.uniform(0, 1 - np.minimum(h, 1)), rng.uniform(0, 1 - np.minimum(w, 1))
    y = (np.arange(height) + 0.5) / height
    x = (np.arange(width) + 0.5) / width
    rows = (y >= top[:, None]) & (y < (top + h)[:, None])
    columns = (x >= left[:, None]) & (x < (left + w)[:, None])
    chosen = rng.random(n) < probability
    mask = rows[:, :, None] & columns[:, None, :] & chosen[:, None, None]
    return mask[..., np.newaxis], rng.random((n, 1, 1, 1), dtype=np.float32)


def _mixed(x: Any, mixing: Mixing) -> Any:
    weight = ops.convert_to_tensor(mixing.weight.reshape(-1, 1, 1, 1))
    partner = ops.take(x, ops.convert_to_tensor(mixing.partner.astype(np.int32)), axis=0)
    return weight * x + (1 - weight) * partner


def _mixing(n: int, options: Augmentation, rng: np.random.Generator) -> Mixing:
    weight = rng.beta(options.mixup_alpha, options.mixup_alpha, n)
    weight = np.where(rng.random(n) < options.mixup, np.maximum(weight, 1 - weight), 1.0)
    return Mixing(weight.astype(np.float32), rng.permutation(n))
