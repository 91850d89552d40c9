"""Searching a smaller picture than the camera gives: the detector dominates a frame's cost."""

import cv2
import numpy as np

from edge_fer.records import GrayImage


def shrink(pixels: GrayImage, search_px: int) -> tuple[GrayImage, float]:
    """Scale a frame down until its longer side has a given length, keeping its aspect.

    The longer side, because detectors know faces up to a size: in a tall picture scaled by its width a near face
    would be too large for them.

    Args:
        pixels: uint8 (height, width); one that is small enough stays as it is.
        search_px: length of the longer side wanted.

    Returns:
        the picture to search, and the factor that takes its pixels back to the frame's.
    """
    height, width = pixels.shape
    factor = max(height, width) / search_px
    if factor <= 1:
        return pixels, 1.0
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False), factor
