from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.config import DetectorConfig
from edge_fer.detect import open_detector
from edge_fer.detect.haar import Haar
from edge_fer.detect.scaling import shrink
from edge_fer.detect.yunet import YuNet
from edge_fer.errors import DetectorError
from edge_fer.model_files import YUNET
from edge_fer.records import Frame, GrayImage


def photo(data: Path, name: str) -> GrayImage:
    image = cv2.imread(str(data / "photos" / name), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_shrink_keeps_the_aspect_and_leaves_small_frames_alone() -> None:
    small, factor = shrink(np.full((480, 640), 7, np.uint8), 320)
    assert (small.shape, factor, small.min(), small.max()) == ((240, 320), 2.0, 7, 7)
    frame = np.zeros((100, 320), np.uint8)
    small, factor = shrink(np.zeros((640, 480), np.uint8), 320)
    assert (small.shape, factor) == ((320, 240), 2.0)
    same, factor = shrink(frame, 320)
    assert same is frame
    assert factor == 1.0


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "faces"), [("angry.jpg", 1), ("happy-baby.jpeg", 1), ("group.jpeg", 5), ("non_face.jpg", 0)]
)
def test_yunet_counts_the_faces_of_photographs(data: Path, name: str, faces: int) -> None:
    yunet = YuNet(model=data / "models" / YUNET.file_name, min_score=0.65, search_px=480)
    found = yunet.detect(Frame(photo(data, name), 0.0, 0))
    assert len(found) == faces
    assert [face.score for face in found] == sorted((face.score for face in found), reverse=True)
    for face in found:
        eyes, mouth = face.landmarks[:2], face.landmarks[3:]
        assert max(y for _, y in eyes) < min(y for _, y in mouth)
        assert all(face.box.x < x < face.box.x + face.box.w for x, _ in face.landmarks)


@pytest.mark.data
def test_both_detectors_find_the_same_face_in_pixels_of_the_frame(data: Path) -> None:
    image = photo(data, "neutral.jpeg")
    frame = Frame(image, 0.0, 0)
    [by_yunet] = YuNet(model=data / "models" / YUNET.file_name).detect(frame)
    by_haar = Haar().detect(frame)[0]
    assert by_haar.box.iou(by_yunet.box) > 0.5
    assert by_haar.score == 0.5


@pytest.mark.data
def test_yunet_takes_frames_of_changing_size(data: Path) -> None:
    yunet = YuNet(model=data / "models" / YUNET.file_name)
    image = photo(data, "neutral.jpeg")
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)
    [large], [small] = yunet.detect(Frame(image, 0.0, 0)), yunet.detect(Frame(half, 0.0, 1))
    assert small.box.w * 2 == pytest.approx(large.box.w, rel=0.03)


@pytest.mark.data
def test_auto_takes_yunet_where_its_file_is_installed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(data / "models"))
    assert open_detector(DetectorConfig()).name == "yunet"


def test_auto_takes_haar_where_yunet_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path))
    assert open_detector(DetectorConfig()).name == "haar"
    with pytest.raises(DetectorError, match=f"there is no {tmp_path}/{YUNET.file_name}; run `edge-fer models pull`"):
        open_detector(DetectorConfig(kind="yunet"))


def test_files_that_are_no_detectors(tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_text("junk")
    with pytest.raises(DetectorError, match="this is not the YuNet network"):
        YuNet(model=junk)
    with pytest.raises(DetectorError, match="this is not a Haar cascade"):
        Haar(model=junk)
    with pytest.raises(DetectorError, match="cannot be read: No such file"):
        Haar(model=tmp_path / "missing.xml")
