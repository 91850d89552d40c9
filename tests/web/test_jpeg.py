import cv2
import numpy as np
import pytest

from edge_fer.records import ColourImage, Frame
from edge_fer.web.jpeg import MAX_WIDTH_PX, encode_jpeg


def decode(jpeg: bytes) -> ColourImage:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture.astype(np.uint8)


def test_a_frame_without_colour_is_gray() -> None:
    picture = decode(encode_jpeg(Frame(np.full((48, 64), 77, np.uint8), 0.0, 0)))
    assert picture.shape == (48, 64)
    assert np.abs(picture.astype(int) - 77).max() <= 1


def test_colour_is_shown_where_there_is_some() -> None:
    blue = np.zeros((48, 64, 3), np.uint8)
    blue[..., 0] = 200
    picture = decode(encode_jpeg(Frame(np.zeros((48, 64), np.uint8), 0.0, 0, lambda: blue)))
    assert picture.shape == (48, 64, 3)
    assert np.abs(picture.astype(int) - [200, 0, 0]).max() <= 3


@pytest.mark.parametrize(
    ("size", "expected"), [((1080, 1920), (540, MAX_WIDTH_PX)), ((720, MAX_WIDTH_PX), (720, MAX_WIDTH_PX))]
)
def test_large_frames_become_smaller_and_keep_their_aspect(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert decode(encode_jpeg(Frame(np.zeros(size, np.uint8), 0.0, 0))).shape == expected
