"""The picture as the browser gets it: JPEG, in colour where the camera has it, without anything drawn into it."""

import cv2

from edge_fer.records import ColourImage, Frame, GrayImage

MAX_WIDTH_PX = 960
"""Larger frames are made smaller: no page shows more, and the encoder's time goes with the pixels."""
QUALITY = 80


def encode_jpeg(frame: Frame) -> bytes:
    """Make one frame a JPEG file."""
    picture: GrayImage | ColourImage = frame.pixels if frame.colour is None else frame.colour()
    height, width = picture.shape[:2]
    if width > MAX_WIDTH_PX:
        size = (MAX_WIDTH_PX, max(1, round(height * MAX_WIDTH_PX / width)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()
