from pathlib import Path

import numpy as np
import pytest

from edge_fer.bench.scene import SyntheticScene
from edge_fer.detect.haar import Haar
from edge_fer.detect.yunet import YuNet
from edge_fer.records import Frame

SIZES = ((160, 120, 4), (640, 480, 0), (640, 480, 1), (640, 480, 16), (1920, 1440, 2), (480, 640, 3))


def frames(width: int, height: int, faces: int, count: int) -> list[Frame]:
    scene = SyntheticScene(width=width, height=height, faces=faces)
    pictures = [scene.read() for _ in range(count)]
    return [Frame(picture.pixels, picture.position_s or 0.0, number) for number, picture in enumerate(pictures)]


@pytest.mark.parametrize(("width", "height", "faces"), SIZES)
def test_haar_sees_as_many_faces_as_were_drawn(width: int, height: int, faces: int) -> None:
    haar = Haar(search_px=480)
    assert [len(haar.detect(frame)) for frame in frames(width, height, faces, 3)] == [faces] * 3


@pytest.mark.data
@pytest.mark.parametrize(("width", "height", "faces"), SIZES)
def test_yunet_sees_as_many_faces_as_were_drawn(data: Path, width: int, height: int, faces: int) -> None:
    yunet = YuNet(model=data / "models" / "face_detection_yunet_2023mar.onnx", min_score=0.75, search_px=480)
    assert [len(yunet.detect(frame)) for frame in frames(width, height, faces, 3)] == [faces] * 3


def test_the_pictures_are_the_same_every_time_and_move() -> None:
    first, second = (frames(320, 240, 2, 4) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert first[0].pixels.shape == (240, 320)
    assert len({frame.pixels.tobytes() for frame in first}) == 4
    assert [frame.time_s for frame in first] == [0, 1 / 30, 2 / 30, 3 / 30]


def test_a_picture_belongs_to_who_read_it() -> None:
    scene = SyntheticScene(width=64, height=48, faces=0)
    first = scene.read().pixels
    kept = first.copy()
    scene.read().pixels[:] = 0
    np.testing.assert_array_equal(first, kept)


def test_faces_stay_inside_however_many_there_are() -> None:
    for faces in range(17):
        assert frames(160, 120, faces, 130)[-1].pixels.shape == (120, 160)
