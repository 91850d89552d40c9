"""Decoding, and silence."""

import cv2
import numpy as np

from edge_fer.camera.opencv import decode, fourcc_name, picture_of


def test_fourcc_names() -> None:
    assert fourcc_name(cv2.VideoWriter.fourcc(*"YUYV")) == "YUYV"
    assert fourcc_name(cv2.VideoWriter.fourcc(*"gif ")) == "gif"
    assert fourcc_name(0) == fourcc_name(-1) == ""


def test_a_decoded_picture_keeps_its_colour() -> None:
    bgr = np.full((4, 6, 3), (255, 0, 0), np.uint8)
    picture = picture_of(bgr, 1.5)
    assert picture.pixels.tolist() == [[29] * 6] * 4  # 0.114 of a full blue
    assert picture.colour is not None
    assert picture.colour() is bgr
    assert picture.position_s == 1.5


def test_what_is_no_image_is_no_picture() -> None:
    assert decode(np.frombuffer(b"no image at all", np.uint8)) is None
    assert decode(np.empty(0, np.uint8)) is None
