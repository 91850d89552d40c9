"""Searching a smaller picture than the camera gives: the detector dominates a frame's cost."""

from typing import Final

import cv2
import numpy as np

from edge_fer.records import Box, GrayImage

SMALLEST_FACE_PX: Final = 24
"""Width that a face must have in the picture that is searched, or YuNet and Haar overlook it."""


def search_length_px(min_face: float, smallest_px: int = SMALLEST_FACE_PX) -> int:
    """Length of the longer side at which faces of a given width can be found.

    Args:
        min_face: width of the smallest face, as a share of the picture's longer side.
        smallest_px: width that a face must have in the picture that is searched.
    """
    return round(smallest_px / min_face)


class Shrinker:
    """Makes the pictures that are searched; each is good until the next, as they share their memory.

    Args:
        search_px: length of the longer side wanted. The longer side, because detectors know faces up to a size: in a
            tall picture scaled by its width a near face would be too large for them.
    """

    def __init__(self, search_px: int) -> None:
        self._search_px = search_px
        self._halved: GrayImage | None = None
        self._small: GrayImage | None = None

    def shrink(self, pixels: GrayImage) -> tuple[GrayImage, float]:
        """Scale a frame down until its longer side has the length wanted, keeping its aspect.

        First by a whole number through area averaging, which is cheap and free of aliasing, then bilinear: area
        averaging by a fraction costs four times as much.

        Args:
            pixels: uint8 (height, width); one that is small enough stays as it is.

        Returns:
            the picture to search, and the factor that takes its pixels back to the frame's.
        """
        height, width = pixels.shape
        factor = max(height, width) / self._search_px
        if factor <= 1:
            return pixels, 1.0
        whole = int(factor)
        if whole > 1:
            size = (max(1, width // whole), max(1, height // whole))
            self._halved = _resized(pixels, size, self._halved, cv2.INTER_AREA)
            pixels = self._halved
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        if pixels.shape != size[::-1]:
            self._small = _resized(pixels, size, self._small, cv2.INTER_LINEAR)
            pixels = self._small
        return pixels, factor


class Cutter:
    """Cuts squares out of frames and scales them to one size; each is good until the next.

    Args:
        side_px: length of the side wanted.
    """

    def __init__(self, side_px: int) -> None:
        self._side_px = side_px
        self._cut: GrayImage | None = None

    def cut(self, pixels: GrayImage, square: Box) -> tuple[GrayImage, tuple[int, int], float]:
        """Cut out a square; what lies beyond the frame's border is filled with its nearest pixel.

        Args:
            pixels: uint8 (height, width).
            square: in pixels of the frame.

        Returns:
            uint8 (side_px, side_px), where its upper left corner lies in the frame, and the factor that takes its
            pixels back to the frame's.
        """
        height, width = pixels.shape
        side = max(2, round(square.w))
        left, top = round(square.x), round(square.y)
        first_x, first_y = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
        last_x, last_y = max(min(left + side, width), first_x + 1), max(min(top + side, height), first_y + 1)
        piece = pixels[first_y:last_y, first_x:last_x]
        if piece.shape != (side, side):
            before_x, before_y = min(max(-left, 0), side - 1), min(max(-top, 0), side - 1)
            after_x, after_y = max(side - before_x - piece.shape[1], 0), max(side - before_y - piece.shape[0], 0)
            piece = np.pad(piece, ((before_y, after_y), (before_x, after_x)), mode="edge")[:side, :side]
        method = cv2.INTER_AREA if side > self._side_px else cv2.INTER_LINEAR
        self._cut = _resized(piece, (self._side_px, self._side_px), self._cut, method)
        return self._cut, (left, top), side / self._side_px


def _resized(pixels: GrayImage, size: tuple[int, int], memory: GrayImage | None, method: int) -> GrayImage:
    return cv2.resize(pixels, size, dst=memory, interpolation=method).astype(np.uint8, copy=False)
