from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from edge_fer.config import DetectorConfig
from edge_fer.detect import open_detector
from edge_fer.detect.edge import shipped_file
from edge_fer.detect.haar import Haar
from edge_fer.detect.scaling import Cutter, Shrinker, search_length_px
from edge_fer.detect.yunet import YuNet
from edge_fer.errors import DetectorError
from edge_fer.follow import region_around
from edge_fer.model_files import YUNET
from edge_fer.records import Box, Frame, GrayImage


def photo(data: Path, name: str) -> GrayImage:
    image = cv2.imread(str(data / "photos" / name), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_a_frame_is_shrunk_keeping_its_aspect_and_a_small_one_left_alone() -> None:
    shrinker = Shrinker(320)
    for height, width, shape in ((480, 640, (240, 320)), (640, 480, (320, 240)), (400, 500, (256, 320))):
        small, factor = shrinker.shrink(np.full((height, width), 7, np.uint8))
        assert (small.shape, factor, small.min(), small.max()) == (shape, max(height, width) / 320, 7, 7)
    frame = np.zeros((100, 320), np.uint8)
    same, factor = shrinker.shrink(frame)
    assert same is frame
    assert factor == 1.0


@pytest.mark.parametrize(("size", "shape"), [((1, 3000), (1, 480)), ((9000, 2), (480, 1))])
def test_a_sliver_keeps_at_least_a_pixel(size: tuple[int, int], shape: tuple[int, int]) -> None:
    small, factor = Shrinker(480).shrink(np.full(size, 7, np.uint8))
    assert (small.shape, factor, small.min(), small.max()) == (shape, max(size) / 480, 7, 7)


def test_pictures_of_one_size_are_shrunk_into_the_same_memory() -> None:
    shrinker, cutter = Shrinker(240), Cutter(32)
    first, second = (shrinker.shrink(np.full((480, 640), gray, np.uint8))[0] for gray in (1, 2))
    assert np.shares_memory(first, second)
    first, second = (cutter.cut(np.full((480, 640), gray, np.uint8), Box(0, 0, 64, 64))[0] for gray in (1, 2))
    assert np.shares_memory(first, second)
    assert second.max() == 2


def test_fine_stripes_are_averaged_rather_than_turned_into_coarse_ones() -> None:
    stripes = np.zeros((480, 1280), np.uint8)
    stripes[:, ::2] = 200
    small, _ = Shrinker(480).shrink(stripes)
    assert (small.min(), small.max()) == (100, 100)


def test_the_search_is_as_large_as_the_smallest_face_demands() -> None:
    assert [search_length_px(min_face) for min_face in (0.05, 0.075, 0.1)] == [480, 320, 240]


def test_a_square_is_cut_out_and_what_lies_beyond_the_border_is_its_nearest_pixel() -> None:
    pixels = np.add.outer(np.arange(40), np.arange(40)).astype(np.uint8)
    for square in (Box(10, 4, 16, 16), Box(-8, -4, 16, 16), Box(30, 36, 16, 16), Box(-90, 10, 16, 16)):
        part, (left, top), factor = Cutter(16).cut(pixels, square)
        rows, columns = (np.clip(np.arange(start, start + 16), 0, 39) for start in (top, left))
        assert (left, top, factor) == (square.x, square.y, 1.0)
        assert part.tolist() == pixels[np.ix_(rows, columns)].tolist()
    part, corner, factor = Cutter(8).cut(pixels, Box(3.6, 4.2, 16.4, 16.4))
    assert (part.shape, corner, factor) == ((8, 8), (4, 4), 2.0)


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
@pytest.mark.parametrize("kind", ["yunet", "haar"])
def test_a_known_face_is_found_again_in_a_square_around_it(data: Path, kind: Literal["yunet", "haar"]) -> None:
    model = str(data / "models" / YUNET.file_name) if kind == "yunet" else None
    detector = open_detector(DetectorConfig(kind=kind, model=model))
    frame = Frame(photo(data, "neutral.jpeg"), 0.0, 0)
    whole = detector.detect(frame)[0]
    [again] = detector.detect_in(frame, region_around(whole.box))
    assert again.box.iou(whole.box) > 0.8
    for point, expected in zip(again.landmarks, whole.landmarks, strict=True):
        assert point == pytest.approx(expected, abs=0.06 * whole.box.w)
    assert detector.detect_in(frame, Box(-500, -500, 100, 100)) == []


@pytest.mark.data
def test_auto_takes_edge_or_what_the_file_is(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(data / "models"))
    assert open_detector(DetectorConfig()).name == "edge"
    assert open_detector(DetectorConfig(model=str(shipped_file()))).name == "edge"
    assert open_detector(DetectorConfig(model=str(data / "models" / YUNET.file_name))).name == "yunet"
    cascade = Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
    assert open_detector(DetectorConfig(model=str(cascade))).name == "haar"


def test_yunet_must_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path))
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
