"""Drawn heads, as on shirts, toys and signs: two dark spots in a light one make no face."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.records import GrayImage

_SIDE_PX = 96
_SMALLEST_PX = 14


def draw_head(part: GrayImage, rng: np.random.Generator) -> None:
    """Draw a skull, a mask or a smiley somewhere into a picture, uint8 (height, width), from 14 pixels on."""
    largest = max(0.6 * min(part.shape), _SMALLEST_PX + 1)
    size = np.exp(rng.uniform(np.log(_SMALLEST_PX), np.log(largest)))
    head, alpha = _head(rng)
    centre = (_SIDE_PX / 2, _SIDE_PX / 2)
    turn = np.array(cv2.getRotationMatrix2D(centre, rng.normal(0, 12), size / _SIDE_PX), np.float64)
    turn[:, 2] += rng.uniform(0, 1, 2) * part.shape[::-1] - _SIDE_PX / 2
    shape = part.shape[::-1]
    smooth = (0, 0), _SIDE_PX / size / 2  # as much as shrinking would leave out
    drawn = cv2.warpAffine(cv2.GaussianBlur(head, *smooth), turn, shape, borderMode=cv2.BORDER_REPLICATE)
    covers = cv2.warpAffine(cv2.GaussianBlur(alpha, *smooth), turn, shape)
    below = part.astype(np.float32)
    part[:] = below + covers * (drawn - below)


def _head(rng: np.random.Generator) -> tuple[GrayImage, NDArray[np.float32]]:
    """The head on a ground of its features' gray, and where it covers what is behind it."""
    light, dark = rng.uniform(120, 255), rng.uniform(0, 90)
    if rng.random() < 0.25:
        light, dark = dark, light
    middle = _SIDE_PX // 2
    across, down = int(rng.uniform(0.32, 0.46) * _SIDE_PX), int(rng.uniform(0.42, 0.48) * _SIDE_PX)
    picture = np.full((_SIDE_PX, _SIDE_PX), dark, np.uint8)
    alpha = np.zeros((_SIDE_PX, _SIDE_PX), np.float32)
    border = int(rng.integers(0, 8))
    cv2.ellipse(alpha, (middle, middle), (across + border, down + border), 0, 0, 360, 1.0, -1)
    cv2.ellipse(picture, (middle, middle), (across, down), 0, 0, 360, light, -1)
    eye, apart = int(rng.uniform(0.05, 0.13) * _SIDE_PX), int(rng.uniform(0.15, 0.22) * _SIDE_PX)
    level = middle - int(rng.uniform(0, 0.15) * _SIDE_PX)
    for x in (middle - apart, middle + apart):
        cv2.ellipse(picture, (x, level), (eye, int(eye * rng.uniform(0.7, 1.4))), 0, 0, 360, dark, -1)
    if rng.random() < 0.6:
        nose = middle + int(0.1 * _SIDE_PX)
        wide = int(rng.uniform(0.02, 0.06) * _SIDE_PX)
        triangle = np.array([(middle, nose - 2 * wide), (middle - wide, nose), (middle + wide, nose)])
        cv2.fillPoly(picture, [triangle], dark)
    mouth, wide = middle + int(rng.uniform(0.2, 0.3) * _SIDE_PX), int(rng.uniform(0.1, 0.24) * _SIDE_PX)
    high = int(rng.uniform(0.02, 0.09) * _SIDE_PX) + 1
    match rng.integers(4):
        case 0:
            cv2.ellipse(picture, (middle, mouth), (wide, high), 0, 0, 360, dark, -1)
        case 1:
            cv2.ellipse(picture, (middle, mouth - high), (wide, 2 * high), 0, 10, 170, dark, 3)
        case 2:  # teeth
            cv2.rectangle(picture, (middle - wide, mouth - high), (middle + wide, mouth + high), dark, -1)
            for x in range(middle - wide + 2, middle + wide, 6):
                cv2.rectangle(picture, (x, mouth - high + 2), (x + 3, mouth + high - 2), light, -1)
        case _:
            pass
    return picture, alpha
