import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.errors import DataError
from edge_fer.records import Box, Face, Frame, GrayImage
from edge_fer_quantize.scenes import (
    CONDITIONS,
    FRAME,
    befall,
    find,
    find_backgrounds,
    light_from_one_side,
    put_into,
    spoil,
    surround,
)

GRAY = np.full(FRAME, 100, np.uint8)


def noise(side: int) -> GrayImage:
    return np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


class Finds:
    """A detector that always finds the same boxes."""

    name = "fake"

    def __init__(self, *boxes: Box) -> None:
        self._boxes = boxes

    def detect(self, frame: Frame) -> list[Face]:
        return [Face(box, 0.9) for box in self._boxes]


def test_a_picture_goes_on_beyond_its_border() -> None:
    canvas = surround(noise(48), 48)
    assert canvas.shape == (96, 96)
    assert canvas[24:72, 24:72].tolist() == noise(48).tolist()
    outside = canvas.astype(int)[:20]
    assert abs(np.diff(outside)).mean() < abs(np.diff(noise(48).astype(int))).mean() / 5


def test_the_picture_lies_where_it_says_and_fades_into_the_scene() -> None:
    scene, place = put_into(GRAY, noise(48), 48, rng())
    x, y = int(place.x), int(place.y)
    assert (place.w, place.h) == (48, 48)
    assert scene[y : y + 48, x : x + 48].tolist() == noise(48).tolist()
    far = np.ones(FRAME, bool)
    far[max(0, y - 24) : y + 72, max(0, x - 24) : x + 72] = False
    assert (scene[far] == 100).all()
    assert scene is not GRAY
    assert (GRAY == 100).all()


def test_every_place_is_within_the_scene() -> None:
    for seed in range(50):
        _, place = put_into(GRAY, noise(48), 200, np.random.default_rng(seed))
        assert 0 <= place.x <= 640 - 200
        assert 0 <= place.y <= 480 - 200


def test_a_turned_picture_is_the_picture_turned_about_its_middle() -> None:
    picture = np.zeros((48, 48), np.uint8)
    picture[20:28, 40:48] = 255  # at three o'clock
    upright, place = put_into(np.zeros(FRAME, np.uint8), picture, 96, rng())
    turned, same = put_into(np.zeros(FRAME, np.uint8), picture, 96, rng(), roll_deg=90)
    assert place == same
    cx, cy = (round(part) for part in place.centre)
    assert upright[cy, cx + 40] == 255
    assert turned[cy - 40, cx] == 255  # anticlockwise: at twelve
    assert turned[cy, cx + 40] == 0


def test_light_from_one_side_leaves_the_other_two_fifths() -> None:
    right = light_from_one_side(np.full((48, 48), 200, np.uint8), 1)
    assert (right[:, 0] == 200).all()
    assert (right[:, -1] == 80).all()
    assert (right[:, 23:25].sum(axis=1) == 2 * 140).all()  # the line lies in the middle
    assert (light_from_one_side(np.full((48, 48), 200, np.uint8), -1) == right[:, ::-1]).all()


def test_a_hat_hides_all_above_the_brows() -> None:
    face = np.full((50, 50), 100, np.uint8)
    white = befall(face, "hat", 1)
    assert (white[:5] == 225).all()
    assert (white[11:, 24:26] == 100).all()
    assert (white[:20, [0, -1]] == 225).all()  # at the sides down to the eyes
    assert (white[28:] == 100).all()
    black = befall(face, "hat", -1)
    assert (black[:5] == 30).all()
    assert (black[28:] == 100).all()


def test_side_light_befalls_the_face() -> None:
    face = noise(48)
    assert (befall(face, "side light", -1) == light_from_one_side(face, -1)).all()
    assert befall(face, "roll", 1) is face


def test_conditions_do_what_they_say() -> None:
    frame = cv2.resize(noise(48), FRAME[::-1], interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    spoiled = {condition: spoil(frame, condition, rng()) for condition in CONDITIONS}
    assert all((one.dtype, one.shape) == (np.uint8, FRAME) for one in spoiled.values())
    assert spoiled["clean"] is frame
    assert spoiled["roll"] is spoiled["side light"] is spoiled["hat"] is frame  # befall the face, not the frame
    assert spoiled["low light"].mean() == pytest.approx(frame.mean() / 6, abs=0.5)
    flat = {condition: spoil(GRAY, condition, rng()).astype(float) for condition in CONDITIONS}
    assert flat["noise"].std() == pytest.approx(12, rel=0.02)
    # Photons: variance 100/6/2; reading: 1.5 squared; rounding: 1/12.
    assert flat["low light"].std() == pytest.approx((100 / 12 + 1.5**2 + 1 / 12) ** 0.5, rel=0.02)
    point = np.zeros(FRAME, np.uint8)
    point[200, 300] = 255
    assert spoil(point, "blur", rng())[200, 300] == round(255 / (2 * np.pi * 1.5**2))
    assert spoiled["jpeg"].tolist() != frame.tolist()
    assert abs(spoiled["jpeg"].astype(float) - frame).mean() < 20


def test_the_same_seed_gives_the_same_frame() -> None:
    for condition in CONDITIONS:
        assert (spoil(GRAY, condition, rng()) == spoil(GRAY, condition, rng())).all()


def test_the_box_that_covers_the_face_counts() -> None:
    place = Box(100, 100, 50, 50)
    far, near, nearer = Box(0, 0, 50, 50), Box(110, 110, 50, 50), Box(102, 98, 50, 50)
    frame = Frame(GRAY, 0.0, 0)
    assert find(frame, place, Finds(far, near, nearer)) == Face(nearer, 0.9)
    assert find(frame, place, Finds(far)) is None
    assert find(frame, place, Finds()) is None


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    for name, size in (("a.png", (100, 300)), ("b.jpg", (300, 100)), ("c.png", (700, 900))):
        cv2.imwrite(str(tmp_path / "scenes" / name), np.full(size, 77, np.uint8))
    (tmp_path / "scenes" / "licence.txt").write_text("free")
    return tmp_path / "scenes"


def test_scenes_fill_a_frame(scenes: Path) -> None:
    found = find_backgrounds(scenes)
    assert found.names == ("a.png", "b.jpg", "c.png")
    assert all((found.read(n).shape, int(found.read(n)[0, 0])) == (FRAME, 77) for n in range(3))


def test_a_table_beside_them_says_which_have_no_face(scenes: Path) -> None:
    archive = scenes.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w") as file:
        for path in scenes.iterdir():
            file.write(path, path.name)
    assert find_backgrounds(archive).names == ("a.png", "b.jpg", "c.png")
    scenes.with_suffix(".csv").write_text("image,set,faces\na.png,x,1\nb.jpg,x,0\nmissing.png,x,0\n")
    assert find_backgrounds(archive).names == ("b.jpg",)
    assert find_backgrounds(archive).read(0).shape == FRAME


def test_scenes_that_are_none(scenes: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder or zip archive of scenes"):
        find_backgrounds(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no pictures of scenes without faces in it"):
        find_backgrounds(tmp_path / "empty")
    scenes.with_suffix(".csv").write_text("image,set\n")
    with pytest.raises(DataError, match=r"scenes\.csv:1: there is no column faces"):
        find_backgrounds(scenes)
    scenes.with_suffix(".csv").unlink()
    (scenes / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"scenes: a\.png is not a picture that can be read"):
        find_backgrounds(scenes).read(0)
