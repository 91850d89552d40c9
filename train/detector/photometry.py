"""What light, lens, sensor and codec do to a picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.records import GrayImage


class Photometry:
    """Spoils pictures at random; noise comes from a pool, since drawing it anew costs more than a training step."""

    def __init__(self, seed: int) -> None:
        self._noise = np.random.default_rng(seed).normal(0, 1, 1 << 20).astype(np.float32)

    def spoil(self, pixels: GrayImage, rng: np.random.Generator) -> GrayImage:
        """A picture as a worse camera would have taken it, or as it is; uint8 of the same shape."""
        luck = rng.random(6)
        if luck[0] < 0.12:
            pixels = _coarse(pixels, rng.uniform(0.4, 0.8))
        elif luck[0] < 0.3:
            pixels = cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.6)).astype(np.uint8, copy=False)
        elif luck[0] < 0.36:
            pixels = _moved(pixels, rng)
        if luck[1] < 0.7:
            pixels = cv2.LUT(pixels, _curve(rng, dark=luck[1] < 0.12)).astype(np.uint8, copy=False)
        if luck[2] < 0.12:
            pixels = _lit_from_a_side(pixels, rng)
        if luck[3] < 0.4:
            start = rng.integers(len(self._noise) - pixels.size + 1)
            noise = self._noise[start : start + pixels.size].reshape(pixels.shape)
            pixels = np.clip(pixels + noise * rng.uniform(1, 9), 0, 255).astype(np.uint8)
        if luck[4] < 0.12:
            _, coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
            decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
            pixels = pixels if decoded is None else decoded.astype(np.uint8, copy=False)
        return pixels


def _coarse(pixels: GrayImage, factor: float) -> GrayImage:
    height, width = pixels.shape
    small = cv2.resize(pixels, (max(1, round(width * factor)), max(1, round(height * factor))))
    return cv2.resize(small, (width, height)).astype(np.uint8, copy=False)


def _moved(pixels: GrayImage, rng: np.random.Generator) -> GrayImage:
    length = int(rng.integers(3, 7))
    kernel = np.zeros((length, length), np.float32)
    if rng.random() < 0.5:
        kernel[length // 2] = 1 / length
    else:
        kernel[:, length // 2] = 1 / length
    return cv2.filter2D(pixels, -1, kernel).astype(np.uint8, copy=False)


def _curve(rng: np.random.Generator, *, dark: bool) -> NDArray[np.uint8]:
    gray = np.arange(256) / 255
    gain = rng.uniform(0.12, 0.45) if dark else np.exp(rng.normal(0, 0.25))
    curve = gain * gray ** np.exp(rng.normal(0, 0.3)) + (0 if dark else rng.normal(0, 0.06))
    return np.asarray(np.clip(curve * 255, 0, 255), np.uint8)


def _lit_from_a_side(pixels: GrayImage, rng: np.random.Generator) -> GrayImage:
    width = pixels.shape[1]
    ramp = np.linspace(rng.uniform(0.2, 1), rng.uniform(0.7, 1.4), width, dtype=np.float32)
    if rng.random() < 0.5:
        ramp = ramp[::-1]
    return np.asarray(np.clip(pixels * ramp, 0, 255), np.uint8)
