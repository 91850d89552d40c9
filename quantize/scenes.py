"""Puts pictures of faces into scenes as a camera would see them, in conditions that cameras meet.

The pictures of a data set are face crops without a surrounding; a detector wants to see that a face ends. So a
picture goes on beyond its border as the border does, blurred, and from there fades into the scene.
"""

import csv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.detect import Detector
from edge_fer.errors import DataError
from edge_fer.labelled import PICTURES
from edge_fer.records import Box, Face, Frame, GrayImage

FRAME: Final = (480, 640)
"""Height and width of the scenes: what the daemon asks cameras for."""

PADDING: Final = 0.5
"""Surrounding of a picture, in its sides."""

BLUR: Final = 0.1
"""Standard deviation of the surrounding's blur, in sides of the picture: replicated pixels alone are stripes."""

ROLL_DEG: Final = 20.0

LIGHT_LEFT: Final = 0.4
"""Share of its gray value that a face keeps away from a window: a lighting ratio of 7.5 at a gamma of 2.2."""

SHADE_LINE: Final = 0.05
"""How sharp the line between light and shade is: length of its tanh, in widths of the picture."""

HAT_BRIM: Final = 0.16
"""Where a hat's brim crosses the middle of a picture, in its heights: a little above the brows."""

HAT_SIDES: Final = 0.3
"""How much farther down the brim hangs at both sides, in heights of the picture."""

HAT_GRAY: Final = {1: 225.0, -1: 30.0}
"""Of white hats and of black ones."""

SAME_FACE_IOU: Final = 0.3
"""A detector's box that overlaps a picture's place at least so much is of its face."""

_FloatImage: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Backgrounds:
    """Scenes without faces, read when they are asked for."""

    source: Path
    names: tuple[str, ...]

    def read(self, index: int) -> GrayImage:
        """A scene that fills a frame, what sticks out cut off evenly: uint8 of shape `FRAME`.

        Raises:
            DataError: it is no picture.
        """
        name = self.names[index % len(self.names)]
        if self.source.is_dir():
            content = (self.source / name).read_bytes()
        else:
            with zipfile.ZipFile(self.source) as archive:
                content = archive.read(name)
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE) if content else None
        if pixels is None:
            raise DataError(f"{self.source}: {name} is not a picture that can be read")
        height, width = FRAME
        factor = max(height / pixels.shape[0], width / pixels.shape[1])
        size = (max(width, round(pixels.shape[1] * factor)), max(height, round(pixels.shape[0] * factor)))
        large = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR if factor > 1 else cv2.INTER_AREA)
        top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
        return np.ascontiguousarray(large[top : top + height, left : left + width], np.uint8)


def find_backgrounds(source: Path) -> Backgrounds:
    """List scenes without faces, in a stable order.

    Args:
        source: a folder or zip archive of pictures. Where a table of the same name ending in .csv lies beside it,
            with the columns image and faces, only the pictures that have 0 faces there are taken.

    Raises:
        DataError: there are none.
    """
    if source.is_dir():
        names = [str(path.relative_to(source)) for path in source.rglob("*")]
    elif source.exists() and zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            names = archive.namelist()
    else:
        raise DataError(f"{source}: there is no such folder or zip archive of scenes")
    found = {name for name in names if Path(name).suffix.lower() in PICTURES}
    table = source.with_suffix(".csv")
    if table.is_file():
        found &= _without_faces(table)
    if not found:
        raise DataError(f"{source}: no pictures of scenes without faces in it")
    return Backgrounds(source, tuple(sorted(found)))


def _without_faces(table: Path) -> set[str]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if missing := {"image", "faces"}.difference(rows.fieldnames or ()):
            raise DataError(f"{table}:1: there is no column {' and no column '.join(sorted(missing))}")
        return {row["image"] for row in rows if row["faces"].strip() == "0"}


def surround(picture: GrayImage, side_px: int) -> GrayImage:
    """Scale a square picture to a side and let it go on beyond its border: uint8 of twice the side."""
    interpolation = cv2.INTER_CUBIC if side_px > picture.shape[0] else cv2.INTER_AREA
    large = cv2.resize(picture, (side_px, side_px), interpolation=interpolation)
    border = round(PADDING * side_px)
    canvas = cv2.copyMakeBorder(large, border, border, border, border, cv2.BORDER_REPLICATE)
    canvas = cv2.GaussianBlur(canvas, (0, 0), BLUR * side_px)
    canvas[border : border + side_px, border : border + side_px] = large
    return canvas.astype(np.uint8, copy=False)


def put_into(
    scene: GrayImage, picture: GrayImage, side_px: int, rng: np.random.Generator, *, roll_deg: float = 0.0
) -> tuple[GrayImage, Box]:
    """Put a picture of a face somewhere into a scene.

    Args:
        scene: uint8 (height, width), at least as large as the face.
        picture: of a face, uint8, square.
        side_px: side of the picture in the scene.
        rng: says where.
        roll_deg: the picture is turned by so much, anticlockwise.

    Returns:
        The scene with the face, and where the picture lies; of a turned one, where it lay before it was turned.
    """
    patch, mask = surround(picture, side_px), _fade(side_px)
    side = patch.shape[0]
    if roll_deg:
        turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), roll_deg, 1.0)
        turned = cv2.warpAffine(patch, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        patch = turned.astype(np.uint8, copy=False)
        mask = cv2.warpAffine(mask, turn, (side, side), flags=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    height, width = scene.shape
    x, y = int(rng.integers(0, width - side_px + 1)), int(rng.integers(0, height - side_px + 1))
    border = (side - side_px) // 2
    left, top = x - border, y - border
    rows, columns = slice(max(0, top), min(height, top + side)), slice(max(0, left), min(width, left + side))
    inside = (slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left))
    behind = scene[rows, columns].astype(np.float32)
    share = mask[inside]
    mixed = scene.copy()
    mixed[rows, columns] = np.rint(share * patch[inside] + (1 - share) * behind)
    return mixed, Box(x, y, side_px, side_px)


def light_from_one_side(picture: GrayImage, side: float) -> GrayImage:
    """A picture of a face by a window: half of it keeps two fifths of its gray value; uint8 of the same size.

    Args:
        picture: uint8 (height, width).
        side: 1 leaves the right half in the shade, -1 the left one.
    """
    across = (np.arange(picture.shape[1]) + 0.5) / picture.shape[1] - 0.5
    light = 1 - (1 - LIGHT_LEFT) * (0.5 + 0.5 * np.tanh(side * across / SHADE_LINE))
    shaded: GrayImage = np.rint(picture * light).astype(np.uint8)
    return shaded


def under_a_hat(picture: GrayImage, kind: float) -> GrayImage:
    """A picture of a face under a hat that hides forehead and hair down to the brows; uint8 of the same size.

    Args:
        picture: uint8 (height, width).
        kind: 1 for a white hat, -1 for a black one.
    """
    height, width = picture.shape
    y = ((np.arange(height) + 0.5) / height)[:, np.newaxis]
    x = 2 * (np.arange(width) + 0.5) / width - 1
    hidden = 0.5 + 0.5 * np.tanh((HAT_BRIM + HAT_SIDES * x**2 - y) / 0.02)
    covered: GrayImage = np.rint(picture + hidden * (HAT_GRAY[int(kind)] - picture)).astype(np.uint8)
    return covered


def find(frame: Frame, place: Box, detector: Detector) -> Face | None:
    """What the detector found of the face that was put somewhere; None if it found none there."""
    best = max(detector.detect(frame), key=lambda face: place.iou(face.box), default=None)
    return best if best is not None and place.iou(best.box) > SAME_FACE_IOU else None


def _fade(side_px: int) -> _FloatImage:
    """How much of a patch is seen: all of the picture, then less and less, by half a cosine, to nothing."""
    border = round(PADDING * side_px)
    beyond = np.maximum(np.abs(np.arange(side_px + 2 * border) - (border + (side_px - 1) / 2)) - (side_px - 1) / 2, 0)
    one = (1 + np.cos(np.pi * np.minimum(beyond / border, 1))) / 2
    seen: _FloatImage = np.minimum(one[:, None], one[None, :]).astype(np.float32)
    return seen


def _blur(frame: GrayImage, _rng: np.random.Generator) -> NDArray[np.floating]:
    return cv2.GaussianBlur(frame, (0, 0), 1.5).astype(np.float32)


def _noise(frame: GrayImage, rng: np.random.Generator) -> NDArray[np.floating]:
    return frame + rng.normal(0, 12, frame.shape)


def _low_light(frame: GrayImage, rng: np.random.Generator) -> NDArray[np.floating]:
    """A sixth of the light: two photons per gray value left, and a reading noise of 1.5 gray values."""
    return rng.poisson(frame / 6 * 2) / 2 + rng.normal(0, 1.5, frame.shape)


def _jpeg(frame: GrayImage, _rng: np.random.Generator) -> NDArray[np.floating]:
    _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 20])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE), np.float32)


_EFFECTS: Final[dict[str, Callable[[GrayImage, np.random.Generator], NDArray[np.floating]]]] = {
    "blur": _blur,
    "noise": _noise,
    "low light": _low_light,
    "jpeg": _jpeg,
}

CONDITIONS: Final = {
    "clean": "nothing is done to it",
    "blur": "out of focus: Gaussian blur with a standard deviation of 1.5 px",
    "noise": "Gaussian noise with a standard deviation of 12 gray values",
    "low light": "a sixth of the light, with its shot noise and a reading noise of 1.5 gray values",
    "jpeg": "JPEG of quality 20",
    "side light": f"half of the face keeps {LIGHT_LEFT:.0%} of its gray value",
    "hat": "under a hat, white or black, that hides forehead and hair",
    "roll": f"the face is turned by {ROLL_DEG:.0f} degrees to either side",
}
"""What can befall a frame, or the face in it."""

_FACE_EFFECTS: Final[dict[str, Callable[[GrayImage, float], GrayImage]]] = {
    "side light": light_from_one_side,
    "hat": under_a_hat,
}


def befall(picture: GrayImage, condition: str, side: float) -> GrayImage:
    """A picture of a face as it is in one of `CONDITIONS`; itself where nothing befalls the face.

    Args:
        picture: uint8 (height, width).
        condition: one of `CONDITIONS`.
        side: 1 or -1, the variant of the condition.
    """
    effect = _FACE_EFFECTS.get(condition)
    return picture if effect is None else effect(picture, side)


def spoil(frame: GrayImage, condition: str, rng: np.random.Generator) -> GrayImage:
    """A frame as a camera gives it in one of `CONDITIONS`; a copy, or itself where nothing befalls it."""
    effect = _EFFECTS.get(condition)
    if effect is None:
        return frame
    spoiled: GrayImage = np.clip(np.rint(effect(frame, rng)), 0, 255).astype(np.uint8)
    return spoiled
