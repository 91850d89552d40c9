import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.clip import write_demo_clip
from edge_fer.config import DetectorConfig
from edge_fer.detect import open_detector
from edge_fer.detect.decode import Decoder
from edge_fer.detect.edge import Edge, shipped_file
from edge_fer.detect.edge_card import EdgeCard, load_edge_files
from edge_fer.detect.grid import STRIDES_PX, VALUES, cell_centres
from edge_fer.detect.judge import Known, judge
from edge_fer.detect.scenes import load_scenes
from edge_fer.detect.yunet import YuNet
from edge_fer.errors import DetectorError
from edge_fer.follow import region_around
from edge_fer.model_files import YUNET
from edge_fer.records import Box, Face, Frame


def seen_by(side_px: int, layers: list[int]) -> list[float]:
    """The middle of what each output of 3-wide convolutions with SAME padding sees, by following every tap."""
    pixels = [(i, i) for i in range(side_px)]
    for stride in layers:
        count = -(-len(pixels) // stride)
        before = max((count - 1) * stride + 3 - len(pixels), 0) // 2
        step = pixels[1][0] - pixels[0][0]

        def at(index: int, known: list[tuple[int, int]] = pixels, step: int = step) -> tuple[int, int]:
            first, last = known[0]  # beyond the border, too: padding has a place
            return first + index * step, last + index * step

        pixels = [(at(i * stride - before)[0], at(i * stride - before + 2)[1]) for i in range(count)]
    return [(first + last + 1) / 2 for first, last in pixels]


@pytest.mark.parametrize(("height", "width"), [(240, 320), (128, 160), (96, 96), (208, 336)])
def test_a_cell_lies_in_the_middle_of_what_it_sees(height: int, width: int) -> None:
    layers = {8: [2, 2, 2, 1], 16: [2, 2, 2, 1, 2, 1], 32: [2, 2, 2, 1, 2, 1, 2, 1]}
    for stride, centres in zip(STRIDES_PX, cell_centres(height, width), strict=True):
        assert centres[0, :, 0].tolist() == seen_by(width, layers[stride])
        assert centres[:, 0, 1].tolist() == seen_by(height, layers[stride])


OFFSETS = np.zeros((3, VALUES), np.float32)
FACTORS = np.full((3, VALUES), 0.05, np.float32)


def empty_maps() -> list[NDArray[np.int8]]:
    return [np.full((1, 128 // s, 160 // s, VALUES), -128, np.int8) for s in STRIDES_PX]


def test_a_cell_says_where_the_face_is() -> None:
    maps = empty_maps()
    maps[1][0, 2, 3] = [40, 10, -10, 20, 40, *range(-10, 10, 2)]  # centre of the cell: 63.5, 47.5
    scores, rows = Decoder(128, 160, OFFSETS, FACTORS).decode(maps, 0.75)
    assert scores.tolist() == pytest.approx([1 / (1 + np.exp(-2))])
    w, h = 16 * np.exp(1), 16 * np.exp(2)
    points = [(63.5, 47.5)[i % 2] + 16 * 0.05 * value for i, value in enumerate(range(-10, 10, 2))]
    assert rows[0].tolist() == pytest.approx([63.5 + 8 - w / 2, 47.5 - 8 - h / 2, w, h, *points], rel=1e-5)


def test_the_threshold_is_where_it_is_said_to_be() -> None:
    maps = empty_maps()
    maps[0][0, 3, 5, 0] = 22  # logit 1.1: 0.7503
    decoder = Decoder(128, 160, OFFSETS, FACTORS)
    assert len(decoder.decode(maps, 0.75)[0]) == 1
    assert len(decoder.decode(maps, 0.76)[0]) == 0
    assert decoder.decode(empty_maps(), 0.02)[1].shape == (0, 14)


def test_cells_that_see_the_same_face_are_one_and_agree_on_its_place() -> None:
    maps = empty_maps()
    stay = [0] * 10
    maps[1][0, 2, 3] = [60, 0, 0, 20, 20, *stay]
    maps[1][0, 2, 4] = [40, -20 * 1, 0, 20, 20, *stay]  # the same box seen one cell further right
    maps[1][0, 5, 8] = [50, 0, 0, 20, 20, *stay]
    scores, rows = Decoder(128, 160, OFFSETS, FACTORS).decode(maps, 0.75)
    assert scores.tolist() == pytest.approx([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-2.5))])
    assert (rows[:, 0] + rows[:, 2] / 2).tolist() == pytest.approx([63.5, 143.5])
    maps[1][0, 2, 4, 1] = -20 + 5  # four pixels further right than the surest says
    middle = 63.5 + 4 * (1 / (1 + np.exp(-2))) / (1 / (1 + np.exp(-3)) + 1 / (1 + np.exp(-2)))
    _, rows = Decoder(128, 160, OFFSETS, FACTORS).decode(maps, 0.75)
    assert rows[0, 0] + rows[0, 2] / 2 == pytest.approx(middle, rel=1e-5)
    maps[1][0, 2, 4, 0] = 22  # 0.75, of the surest's 0.95 less than 0.8
    _, rows = Decoder(128, 160, OFFSETS, FACTORS).decode(maps, 0.75)
    assert rows[0, 0] + rows[0, 2] / 2 == pytest.approx(63.5, rel=1e-5)


@pytest.mark.parametrize("surest", [(60, 40), (40, 60)])
def test_a_part_of_a_face_is_no_second_face(surest: tuple[int, int]) -> None:
    maps = empty_maps()
    maps[1][0, 2, 3] = [surest[0], 0, 0, 20, 20, *[0] * 10]  # 43 px wide, from 41.8 to 85.2
    maps[1][0, 2, 4] = [surest[1], -10, 0, 4, 4, *[0] * 10]  # 20 px wide, all of it inside: of their union a fifth
    decoder = Decoder(128, 160, OFFSETS, FACTORS)
    assert decoder.decode(maps, 0.75)[0].tolist() == pytest.approx([1 / (1 + np.exp(-3))])
    maps[1][0, 2, 4, 1] = 10  # a face beside it: two fifths lie inside
    assert len(decoder.decode(maps, 0.75)[0]) == 2


def write_pair(folder: Path, **changes: Any) -> Path:
    content = b"\0\0\0\0TFL3 and more"
    card = EdgeCard(
        name="d", sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content),
        offsets=((0.0,) * VALUES,) * 3, factors=((1.0,) * VALUES,) * 3,
    )  # fmt: skip
    (folder / "d.tflite").write_bytes(content)
    (folder / "d.json").write_text(json.dumps(json.loads(card.to_json()) | changes))
    return folder / "d.tflite"


def test_a_detector_whose_files_do_not_belong_together_is_refused(tmp_path: Path) -> None:
    card, content = load_edge_files(write_pair(tmp_path))
    assert (card.name, len(content)) == ("d", 17)
    with pytest.raises(DetectorError, match=r"belongs to another network: it names sha256 0{12}…"):
        load_edge_files(write_pair(tmp_path, sha256="0" * 64))
    with pytest.raises(DetectorError, match=r"not a detector's card: offsets: Tuple should have at least 3 items"):
        load_edge_files(write_pair(tmp_path, offsets=[[0.0] * VALUES]))
    write_pair(tmp_path).with_suffix(".json").unlink()
    with pytest.raises(DetectorError, match=r"d\.tflite: cannot be read: No such file or directory; the detector is"):
        load_edge_files(tmp_path / "d.tflite")


class Fixed:
    name, min_score = "fixed", 0.5

    def __init__(self, *faces: Face) -> None:
        self._faces = list(faces)

    def detect(self, frame: Frame) -> list[Face]:
        return self._faces

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        return self._faces


def test_found_missed_false_and_doubtful_boxes_are_told_apart() -> None:
    known = Known(
        np.zeros((240, 640), np.uint8),
        faces=(Box(0, 0, 40, 40), Box(100, 0, 80, 80), Box(200, 0, 20, 20)),
        doubtful=(Box(300, 0, 30, 30),),
    )
    detector = Fixed(
        Face(Box(0, 0, 40, 44), 0.9), Face(Box(202, 0, 20, 20), 0.8), Face(Box(300, 0, 30, 30), 0.8),
        Face(Box(500, 0, 30, 30), 0.6), Face(Box(400, 0, 30, 30), 0.7),
    )  # fmt: skip
    tally = judge(detector, [known, known], 320)
    assert tally.frames == 2
    assert tally.there.tolist() == [2, 2, 2, 0]
    assert tally.found.tolist() == [2, 2, 0, 0]
    assert tally.recall == 0.5
    assert tally.overlaps == pytest.approx([1600 / 1760, 360 / 440] * 2)
    assert tally.false_scores == [0.7, 0.7, 0.6, 0.6]


def test_what_ships_is_small_and_whole() -> None:
    card, content = load_edge_files(shipped_file())
    assert (card.name, card.size_bytes) == ("edge", len(content))
    assert len(content) <= 260_000


def test_a_frame_of_any_shape_is_searched_and_a_gray_wall_is_no_face() -> None:
    edge = Edge(search_px=160)
    for shape in ((480, 640), (640, 480), (100, 100), (360, 640), (90, 33)):
        frame = Frame(np.full(shape, 90, np.uint8), 0.0, 0)
        assert edge.detect(frame) == []
        assert edge.detect_in(frame, Box(-10, 20, 60, 60)) == []


@pytest.mark.data
def test_a_near_face_is_found_at_the_default_size(data: Path) -> None:
    pixels = np.asarray(cv2.imread(str(data / "photos" / "angry.jpg"), cv2.IMREAD_GRAYSCALE), np.uint8)
    [face] = open_detector(DetectorConfig(kind="edge")).detect(Frame(pixels, 0.0, 0))
    assert 0.55 < face.box.w / pixels.shape[1] < 0.65


@pytest.mark.data
@pytest.mark.parametrize("search_px", [320, 160])
def test_it_finds_the_face_that_yunet_finds(data: Path, search_px: int) -> None:
    pixels = np.asarray(cv2.imread(str(data / "photos" / "neutral.jpeg"), cv2.IMREAD_GRAYSCALE), np.uint8)
    frame = Frame(pixels, 0.0, 0)
    [expected] = YuNet(model=data / "models" / YUNET.file_name, search_px=search_px).detect(frame)
    edge = Edge(search_px=search_px)
    [found] = edge.detect(frame)
    assert found.box.iou(expected.box) > 0.7
    for point, other in zip(found.landmarks, expected.landmarks, strict=True):
        assert point == pytest.approx(other, abs=0.12 * expected.box.w)
    [again] = edge.detect_in(frame, region_around(found.box))
    assert again.box.iou(found.box) > 0.7


@pytest.mark.data
def test_a_face_that_is_doubtful_in_the_whole_is_found_from_near_by(data: Path) -> None:
    """A man who looks up and aside: 0.69 in the search, 0.87 cut out of the frame."""
    name = "darkpool_trim/01218.jpg"
    [scene] = [one for one in load_scenes(data / "faces", held_out=True) if one.name == name]
    edge, frame = Edge(search_px=320), Frame(scene.pixels, 0.0, 0)
    [found] = edge.detect(frame)
    assert found.score == pytest.approx(0.872, abs=0.01)
    assert found.box.iou(Box(*scene.boxes[0].tolist())) > 0.8
    edge.min_score = 0.9
    assert edge.detect(frame) == []


@pytest.mark.data
def test_the_same_face_is_found_wherever_it_lies(data: Path) -> None:
    pixels = np.asarray(cv2.imread(str(data / "photos" / "neutral.jpeg"), cv2.IMREAD_GRAYSCALE), np.uint8)
    scale = 160 / max(pixels.shape)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edge = Edge(search_px=320)
    places = []
    for left, top in ((0, 0), (70, 33), (151, 60)):
        canvas = np.full((240, 320), 90, np.uint8)
        part = canvas[top : top + small.shape[0], left : left + small.shape[1]]
        part[:] = small[: part.shape[0], : part.shape[1]]
        box = edge.detect(Frame(canvas, 0.0, 0))[0].box
        places.append((box.x - left, box.y - top, box.w, box.h))
    assert np.ptp(places, axis=0).max() < 0.12 * places[0][2]


@pytest.mark.data
def test_smaller_boxes_than_the_network_learned_are_dropped(data: Path) -> None:
    film = cv2.VideoCapture(str(data / "clips" / "one-by-one-person-detection.mp4"))
    film.set(cv2.CAP_PROP_POS_FRAMES, 368)  # somebody's back; at 160 pixels the head's is 8 wide
    gray = cv2.cvtColor(film.read()[1], cv2.COLOR_BGR2GRAY).astype(np.uint8)
    factor = gray.shape[1] / 160
    boxes = [face.box for face in Edge(search_px=160, min_score=0.05).detect(Frame(gray, 0.0, 0))]
    assert boxes
    assert all(box.area >= (12 * factor) ** 2 for box in boxes)


def test_a_near_face_is_one_face(tmp_path: Path) -> None:
    """The portrait of the demo, up to nine tenths of the picture's height."""
    write_demo_clip(tmp_path / "clip.mp4", seconds=2.5)
    film = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    edge = Edge(search_px=320)
    counts, heights = [], []
    for index in range(32):  # afterwards the view leaves the face
        gray = cv2.cvtColor(film.read()[1], cv2.COLOR_BGR2GRAY).astype(np.uint8)
        faces = edge.detect(Frame(gray, index / 20, index))
        counts.append(len(faces))
        heights.append(faces[0].box.h)
    assert counts == [1] * 32
    assert np.median(heights) == pytest.approx(371, abs=10)  # what YuNet says of it
