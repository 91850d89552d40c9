"""From a face in a frame to the input of the classifier: the one place where that happens.

The trainer and the daemon both come through here, so what the network was trained on is what it sees. A model
takes int8 with scale 1/255 and zero point -128: gray value g stands for the real number g / 255, and g becomes
the int8 input g - 128, which is one XOR of the sign bit.
"""

import math
from dataclasses import dataclass
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.records import Box, GrayImage, Point

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""


FACE_MEAN: Final = 130.0
FACE_DEVIATION: Final = 55.0
"""Mean and standard deviation of the gray values in an average picture of FER2013."""

STRAIGHT_DEG: Final = 3.0
"""A head tilted by less is left as it is: turning it gains nothing, and costs a little sharpness."""

DARK_DEVIATION: Final = 20.0
"""Crops of less contrast, as standard deviation of gray values, are lightened."""

FLAT_DEVIATION: Final = 2.0
"""Crops of less contrast hold no face: there is nothing in them but noise."""

DARK_BLUR_PX: Final = 0.7


@dataclass(frozen=True, slots=True)
class CropMargin:
    """How a detector's box becomes a square crop framed like the training pictures.

    Attributes:
        scale: side of the square over the mean of the box's width and height.
        shift_y: how far the square's centre lies below the box's, in sides of the square; along the face.
    """

    scale: float
    shift_y: float


def crop_face(pixels: GrayImage, box: Box, margin: CropMargin, size: Size, *, roll_deg: float = 0.0) -> GrayImage:
    """Cut a face out of a frame, upright, and scale it to the classifier's input size.

    What lies beyond the frame's border is filled with its nearest pixel.

    Args:
        pixels: the frame, uint8 (height, width).
        box: the face, in pixels of the frame; it may reach beyond the border.
        margin: the framing of the detector that found the box.
        size: height and width of the crop.
        roll_deg: how far the head is tilted, clockwise; see `edge_fer.records.Face`.

    Returns:
        uint8 of shape `size`, a copy.
    """
    side = max(2, round(margin.scale * (box.w + box.h) / 2))
    centre_x, centre_y = box.centre
    roll = math.radians(roll_deg) if abs(roll_deg) > STRAIGHT_DEG else 0.0
    down = margin.shift_y * side
    centre = centre_x - math.sin(roll) * down, centre_y + math.cos(roll) * down
    if roll:
        return _upright(pixels, centre, side, roll, size)
    face = resize_face(_cut(pixels, centre, side), size)
    return face.copy() if face.base is not None else face


def _upright(pixels: GrayImage, centre: Point, side: int, roll: float, size: Size) -> GrayImage:
    """What a tilted square holds: the upright one around it, shrunk by averaging areas, then turned."""
    cos, sin = math.cos(roll), math.sin(roll)
    around = math.ceil(side * (abs(cos) + abs(sin)))
    cut = _cut(pixels, centre, around)
    shrink = min(1.0, max(size) / side)
    if shrink < 1:
        length = round(around * shrink)
        cut, shrink = resize_face(cut, (length, length)), length / around
    height, width = size
    # A pixel of the crop, from the crop's middle, to the pixel of the cut that it shows, from the cut's middle.
    x, y = shrink * side / width, shrink * side / height
    turn = np.array([[x * cos, -y * sin, 0.0], [x * sin, y * cos, 0.0]])
    turn[:, 2] = (cut.shape[0] - 1) / 2 - turn[:, :2] @ ((width - 1) / 2, (height - 1) / 2)
    # A cubic keeps what was averaged as sharp as it is; a small face's noise is better smoothed.
    interpolation = cv2.INTER_CUBIC if side > max(size) else cv2.INTER_LINEAR
    flags = interpolation | cv2.WARP_INVERSE_MAP
    face = cv2.warpAffine(cut, turn, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return face.astype(np.uint8, copy=False)


def _cut(pixels: GrayImage, centre: Point, side: int) -> GrayImage:
    """An upright square of the frame, its border pixels repeated beyond it: uint8 (side, side), a view or a copy."""
    left, top = (round(middle - side / 2) for middle in centre)
    rows, above, below = _inside(top, side, pixels.shape[0])
    columns, before, after = _inside(left, side, pixels.shape[1])
    crop = pixels[rows, columns]
    if crop.shape != (side, side):
        crop = np.pad(crop, ((above, below), (before, after)), mode="edge")
    return crop


def _inside(start: int, length: int, limit: int) -> tuple[slice, int, int]:
    """The part of an interval within 0 to limit, at least one pixel of it, and what is missing on either side."""
    first = min(max(start, 0), limit - 1)
    last = max(min(start + length, limit), first + 1)
    before = min(max(-start, 0), length - (last - first))
    return slice(first, last), before, length - (last - first) - before


def resize_face(pixels: GrayImage, size: Size) -> GrayImage:
    """Scale a picture that already is a face crop to the classifier's input size.

    Area averaging when it shrinks (no aliasing), bilinear when it grows.

    Args:
        pixels: uint8 (height, width).
        size: height and width wanted.

    Returns:
        uint8 of shape `size`, C-contiguous; a copy unless it has that size and layout already.
    """
    height, width = size
    if pixels.shape == size:
        return np.ascontiguousarray(pixels)
    shrinks = pixels.shape[0] > height or pixels.shape[1] > width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)


def lighten(crop: GrayImage) -> GrayImage:
    """Give a face that was taken in the dark the contrast of those that networks are trained on.

    Such a crop holds a handful of gray values, and noise as large as they are: it is smoothed a little, and stretched
    to `FACE_MEAN` and `FACE_DEVIATION`. Of FER2013's pictures 99 in 100 have more contrast than `DARK_DEVIATION`.

    Args:
        crop: uint8 (height, width).

    Returns:
        uint8 of the same shape; the very same crop where its contrast suffices, or where there is none.
    """
    _, deviation = cv2.meanStdDev(crop)
    if not FLAT_DEVIATION <= deviation[0, 0] < DARK_DEVIATION:
        return crop
    smooth = cv2.GaussianBlur(crop.astype(np.float32), (0, 0), DARK_BLUR_PX)
    mean, deviation = cv2.meanStdDev(smooth)
    gain = FACE_DEVIATION / float(deviation[0, 0])
    stretched = (smooth - np.float32(mean[0, 0])) * np.float32(gain) + np.float32(FACE_MEAN)
    light: GrayImage = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
    return light


def to_model_input(crop: GrayImage) -> NDArray[np.int8]:
    """Turn uint8 crops into the int8 input of a model.

    Args:
        crop: uint8, shape (height, width) or (n, height, width).

    Returns:
        int8, shape (1, height, width, 1) or (n, height, width, 1).
    """
    batch = crop if crop.ndim == 3 else crop[np.newaxis]
    return np.bitwise_xor(batch, 0x80).view(np.int8)[..., np.newaxis]
