"""Boxes and emotions drawn into a picture, for people to look at."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from edge_fer.records import ColourImage, Reading

BLACK: Final = (0, 0, 0)
COLOURS: Final = {  # BGR; told apart by people with a colour vision deficiency (Okabe and Ito, 2008)
    "angry": (0, 94, 213),
    "disgust": (115, 158, 0),
    "fear": (167, 121, 204),
    "happy": (66, 228, 240),
    "sad": (178, 114, 0),
    "surprise": (233, 180, 86),
    "neutral": (220, 220, 220),
}
OTHER: Final = (160, 160, 160)


def draw_readings(picture: ColourImage, readings: Sequence[Reading]) -> None:
    """Draw every face's box with its emotion and confidence into a BGR picture, in place."""
    height, width = picture.shape[:2]
    scale = max(width, height) / 1000
    thickness = max(1, round(2 * scale))
    for reading in readings:
        x, y, w, h = np.multiply(reading.box, (width, height, width, height)).round().astype(int).tolist()
        colour = COLOURS.get(reading.emotion, OTHER)
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, thickness)
        text = f"{reading.emotion} {reading.confidence:.0%}"
        (text_w, text_h), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, thickness)
        top = max(y - text_h - 2 * below, 0)
        cv2.rectangle(picture, (x, top), (x + text_w, top + text_h + 2 * below), colour, cv2.FILLED)
        where = (x, top + text_h + below)
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.8 * scale, BLACK, thickness, cv2.LINE_AA)
