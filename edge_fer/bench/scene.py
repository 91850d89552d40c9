"""A scene without a camera or a file: faces that are drawn, so that every machine measures the same pictures.

All detectors take the drawing for a face from about 64 pixels on. No emotion that the classifier reads from it means
anything; its time does not depend on what it sees.
"""

import math
from typing import Final

import cv2
import numpy as np

from edge_fer.camera import Picture
from edge_fer.records import GrayImage

MOST_FACES: Final = 16
FPS: Final = 30.0
FACE_SHARE: Final = 0.8
"""Side of a face's picture, as a share of the place that it has in the scene."""

_BACKGROUND: Final = 120.0
_SHADE: Final = 0.5
_BLUR: Final = 0.02
"""Of the lens, as a share of the face's picture: sharp edges tell a drawing from a face."""
_PARTS: Final = (
    # centre x and y, radius x and y, softness of the edge, gray value; the later lie on top
    (0.5, 0.42, 0.34, 0.40, 0.12, 45.0),  # hair
    (0.5, 0.95, 0.50, 0.16, 0.12, 70.0),  # shoulders
    (0.5, 0.82, 0.13, 0.20, 0.12, 150.0),  # neck
    (0.5, 0.50, 0.27, 0.36, 0.12, 190.0),  # face
    *((x, 0.38, 0.075, 0.016, 0.5, 70.0) for x in (0.39, 0.61)),  # brows
    *((x, 0.455, 0.07, 0.045, 0.5, 125.0) for x in (0.39, 0.61)),  # sockets
    *((x, 0.455, 0.05, 0.024, 0.3, 120.0) for x in (0.39, 0.61)),  # whites
    *((x, 0.455, 0.022, 0.024, 0.3, 25.0) for x in (0.39, 0.61)),  # irises
    (0.5, 0.52, 0.03, 0.09, 0.9, 205.0),  # bridge of the nose
    (0.5, 0.60, 0.055, 0.028, 0.6, 140.0),  # its tip
    *((x, 0.612, 0.013, 0.009, 0.5, 60.0) for x in (0.475, 0.525)),  # nostrils
    (0.5, 0.715, 0.095, 0.03, 0.4, 95.0),  # lips
    (0.5, 0.713, 0.08, 0.006, 0.6, 50.0),  # mouth
)
_WAY: Final = 0.06
"""How far a face sways to each side, as a share of its place."""
_TURN_FRAMES: Final = 120
_NOISE: Final = 3.0
_MARGIN_PX: Final = 32
"""The background is larger than the scene by so much, and every picture cuts another part out of it."""


def draw_face(size_px: int) -> GrayImage:
    """A face seen from the front, uint8 (size_px, size_px); the head is about two thirds of it high."""
    y, x = np.mgrid[0:size_px, 0:size_px] / size_px
    drawn = np.full((size_px, size_px), _BACKGROUND)
    for centre_x, centre_y, radius_x, radius_y, soft, gray in _PARTS:
        distance = np.hypot((x - centre_x) / radius_x, (y - centre_y) / radius_y)
        cover = np.clip((1 - distance) / soft + 0.5, 0, 1)
        drawn += (gray - drawn) * cover
    drawn *= 1 - _SHADE * np.clip(((x - 0.5) / 0.3) ** 2, 0, 1)
    return cv2.GaussianBlur(drawn, (0, 0), _BLUR * size_px).astype(np.uint8)


class SyntheticScene:
    """Drawn faces, side by side, that sway a little before a noisy wall; the same pictures every time, without end.

    Implements `edge_fer.camera.Source`. A picture costs little more than the copy that a camera's luminance costs.

    Args:
        width: pixels.
        height: pixels.
        faces: how many, 0 to 16.
    """

    def __init__(self, *, width: int, height: int, faces: int) -> None:
        self.name = f"synthetic, {faces} face{'' if faces == 1 else 's'}"
        self.details = f"{width}x{height} {FPS:g} fps"
        self._width, self._height, self._index = width, height, 0
        self._places = _places(width, height, faces)
        self._chance = np.random.default_rng(0)
        wall = self._chance.normal(_BACKGROUND, _NOISE, (height + _MARGIN_PX, width + _MARGIN_PX))
        self._wall = wall.clip(0, 255).astype(np.uint8)
        self._face = draw_face(max(8, round(FACE_SHARE * self._places[0][2]))) if faces else np.empty((0, 0), np.uint8)

    def read(self) -> Picture:
        """The next picture, at once."""
        left, top = self._chance.integers(_MARGIN_PX, size=2)
        pixels = self._wall[top : top + self._height, left : left + self._width].copy()
        turn, size = 2 * math.pi * self._index / _TURN_FRAMES, len(self._face)
        for number, (place_x, place_y, side) in enumerate(self._places):
            x = round(place_x + (side - size) / 2 + _WAY * side * math.sin(turn + number))
            y = round(place_y + (side - size) / 2 + _WAY * side / 2 * math.cos(turn + number))
            pixels[y : y + size, x : x + size] = self._face
        position_s = self._index / FPS
        self._index += 1
        return Picture(pixels, lambda: cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR).astype(np.uint8), position_s)

    def close(self) -> None:
        """Nothing is held."""


def _places(width: int, height: int, faces: int) -> list[tuple[float, float, float]]:
    """Left, top and side of a square place for each face, as large as so many can be; at most half the scene."""
    if faces == 0:
        return []
    columns = min(range(1, faces + 1), key=lambda n: (-_side(width, height, faces, n), n))
    rows = math.ceil(faces / columns)
    side = _side(width, height, faces, columns)
    places = []
    for number in range(faces):
        row, column = divmod(number, columns)
        centre_x, centre_y = (column + 0.5) * width / columns, (row + 0.5) * height / rows
        places.append((centre_x - side / 2, centre_y - side / 2, side))
    return places


def _side(width: int, height: int, faces: int, columns: int) -> float:
    return min(width / columns, height / math.ceil(faces / columns), height / 2)
