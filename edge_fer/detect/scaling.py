"""Searching a smaller picture than the camera gives: the detector dominates a frame's cost."""

import cv2

from edge_fer.records import GrayImage


def shrink(pixels: GrayImage, width_px: int) -> tuple[GrayImage, float]:
    """Scale a frame down to a width, keeping its aspect; smaller frames stay as they are.

    Args:
        pixels: uint8 (height, width).
        width_px: the width wanted.

    Returns:
        the picture to search, and the factor that takes its pixels back to the frame's.
    """
    height, width = pixels.shape
    if width <= width_px:
        return pixels, 1.0
    size = (width_px, max(1, round(height * width_px / width)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), width / width_px  # type: ignore[return-value]
