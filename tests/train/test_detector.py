import zipfile
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from edge_fer.detect.grid import VALUES, cell_centres
from edge_fer.detect.scenes import Scene, load_scenes
from edge_fer.errors import ConfigError, DataError
from edge_fer_train.__main__ import main
from edge_fer_train.detector.batches import Batches, Maker
from edge_fer_train.detector.compose import MINED_PX, Composer, Look, recentred, without_faces
from edge_fer_train.detector.fit import train
from edge_fer_train.detector.mining import Mining
from edge_fer_train.detector.net import build, training_model
from edge_fer_train.detector.objective import make_loss
from edge_fer_train.detector.photometry import Photometry
from edge_fer_train.detector.recipe import Composition, DetectorRecipe, Size, load_recipe
from edge_fer_train.detector.targets import Faces, make_targets

PLAIN = Composition(faceless=0, occlude=0, featureless=0, cut_out=0, anywhere=0, roll_deg=20)


def make_scene(name: str, group: str, faces: list[tuple[int, int, int]]) -> Scene:
    """A gray picture; each face is black with five white landmarks."""
    pixels = np.full((240, 320), 128, np.uint8)
    boxes, landmarks = [], []
    for x, y, side in faces:
        cv2.rectangle(pixels, (x, y), (x + side, y + side), 0, -1)
        points = [
            (x + side * u, y + side * v) for u, v in ((0.3, 0.35), (0.7, 0.35), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
        ]
        for u, v in points:
            cv2.circle(pixels, (round(u), round(v)), max(side // 20, 1), 255, -1)
        boxes.append((x, y, side, side))
        landmarks.append(points)
    return Scene(
        name, group, pixels, np.array(boxes, np.float32).reshape(-1, 4),
        np.array(landmarks, np.float32).reshape(-1, 5, 2), np.full(len(faces), 0.9, np.float32),
    )  # fmt: skip


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [
        make_scene("a/0.jpg", "a", [(100, 60, 120)]),
        make_scene("a/1.jpg", "a", [(40, 60, 80), (200, 80, 100)]),
        make_scene("b/0.jpg", "b", []),
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scenes: list[Scene]) -> Path:
    """The same scenes many times, as the files that the trainer reads."""
    root = tmp_path_factory.mktemp("scenes")
    table, faces = [], []
    with zipfile.ZipFile(root / "scenes.zip", "w") as archive:
        for number in range(30):
            scene = scenes[number % 3]
            name = f"{scene.group}/{number:02}.jpg"
            archive.writestr(name, cv2.imencode(".jpg", scene.pixels)[1].tobytes())
            table.append({"image": name, "set": scene.group, "faces": len(scene.boxes)})
            for box, points in zip(scene.boxes, scene.landmarks, strict=True):
                parts = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
                row = dict(zip(("x", "y", "width", "height"), box.tolist(), strict=True))
                for part, (x, y) in zip(parts, points.tolist(), strict=True):
                    row |= {f"{part}_x": x, f"{part}_y": y}
                faces.append({"image": name, **row, "score": 0.9})
    pd.DataFrame(table).to_csv(root / "scenes.csv", index=False)
    pd.DataFrame(faces).to_csv(root / "faces.csv", index=False)
    return root


def test_the_last_tenth_of_every_set_is_held_out(folder: Path) -> None:
    learnt, held_out = load_scenes(folder, held_out=False), load_scenes(folder, held_out=True)
    assert [scene.name for scene in held_out] == ["a/27.jpg", "a/28.jpg", "b/29.jpg"]
    assert len(learnt) == 27
    assert not {scene.name for scene in learnt} & {scene.name for scene in held_out}
    assert held_out[1].boxes.tolist() == [[40, 60, 80, 80], [200, 80, 100, 100]]
    assert held_out[1].landmarks[0, 2].tolist() == [80, 108]


def test_scenes_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"scenes\.csv: no such file; scenes are"):
        load_scenes(tmp_path, held_out=False)
    for name in ("scenes.csv", "scenes.zip"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "faces.csv").write_text("image,x\n")
    with pytest.raises(DataError, match=r"faces\.csv: columns are missing: image, x, y, width"):
        load_scenes(tmp_path, held_out=False)


def test_labels_move_with_the_pixels(scenes: list[Scene]) -> None:
    composer = Composer(scenes, PLAIN)
    rng = np.random.default_rng(3)
    seen = 0
    for _ in range(40):
        picture = composer.compose(128, 160, rng)
        assert (picture.pixels.shape, picture.pixels.dtype) == ((128, 160), np.uint8)
        for box, points, score in zip(picture.boxes, picture.landmarks, picture.scores, strict=True):
            eyes = points[:2]
            if (
                box[3] < 40
                or score == 0
                or (points < 3).any()
                or (points[:, 0] > 156).any()
                or (points[:, 1] > 124).any()
            ):
                continue
            seen += 1
            assert eyes[0, 0] < eyes[1, 0]  # the right eye is left, in mirrored pictures as well
            for x, y in points:
                assert picture.pixels[round(float(y)), round(float(x))] > 180
            x, y = (eyes[0] + eyes[1]) / 2  # between the eyes it is black
            assert picture.pixels[round(float(y)), round(float(x))] < 60
    assert seen > 20


@pytest.mark.parametrize(("small", "larger"), [(0.0, 75), (1.0, 0)])
def test_small_faces_can_be_shown_more_often(scenes: list[Scene], small: float, larger: int) -> None:
    composer = Composer([scenes[0], scenes[2]], PLAIN.model_copy(update={"small": small, "smallest_px": 11}))
    rng = np.random.default_rng(0)
    heights = np.concatenate([composer.compose(128, 160, rng).boxes[:, 3] for _ in range(100)])
    assert (heights > 32).sum() == larger  # 28 px, stretched by a few percent


def test_faces_that_are_cut_off_are_neither_face_nor_background(scenes: list[Scene]) -> None:
    composer = Composer(scenes, PLAIN.model_copy(update={"largest": 2.0, "smallest_px": 100}))
    rng = np.random.default_rng(0)
    doubtful = sure = 0
    for _ in range(100):
        picture = composer.compose(96, 96, rng)
        inside = np.prod(
            np.clip(picture.boxes[:, :2] + picture.boxes[:, 2:], 0, 96) - np.clip(picture.boxes[:, :2], 0, 96), axis=1
        )
        share = inside / np.prod(picture.boxes[:, 2:], axis=1)
        assert (share > 0.1).all()
        sure += int((picture.scores > 0).sum())
        doubtful += int((picture.scores == 0).sum())
    assert sure > 10
    assert doubtful > 10


def test_the_same_step_is_the_same_batch(scenes: list[Scene]) -> None:
    recipe = DetectorRecipe(sizes=(Size(height_px=96, width_px=112, batch=4, share=1, late_share=1),))
    first, second = (Maker(Composer(scenes, recipe.composition), recipe).make(7) for _ in range(2))
    assert first[0].shape == (4, 96, 112, 1)
    assert first[1].shape == (4, 12 * 14 + 6 * 7 + 3 * 4, VALUES + 2)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    other = Maker(Composer(scenes, recipe.composition), recipe).make(8)
    assert not np.array_equal(first[0], other[0])


@pytest.mark.slow
def test_processes_make_the_batches_that_a_thread_makes(folder: Path) -> None:
    recipe = DetectorRecipe(sizes=(Size(height_px=96, width_px=96, batch=2, share=1, late_share=1),))
    maker = Maker(Composer(load_scenes(folder, held_out=False), recipe.composition), recipe)
    streams = [Batches(maker, recipe, folder, processes).from_step(5) for processes in (0, 2)]
    for _, mine, theirs in zip(range(3), *streams, strict=False):
        assert np.array_equal(mine[0], theirs[0])
        assert np.array_equal(mine[1], theirs[1])
    for stream in streams:
        stream.close()


def test_a_hard_view_is_shown_with_what_fired_in_the_middle(scenes: list[Scene]) -> None:
    look = Look(2, np.array([[1.0, 0, 5], [0, 1, 7]]))
    moved = recentred(look, 30, 40)
    assert moved.matrix.tolist() == [[1, 0, 55], [0, 1, 31]]  # (30, 40) of the part is now at (80, 64)


def test_people_without_their_faces_are_no_faces(scenes: list[Scene]) -> None:
    scene = scenes[1]
    blurred = without_faces(scene)
    assert (blurred.name, blurred.group, blurred.pixels.shape) == (scene.name, scene.group, scene.pixels.shape)
    assert (blurred.boxes.shape, blurred.landmarks.shape, blurred.scores.shape) == ((0, 4), (0, 5, 2), (0,))
    for x, y, w, h in scene.boxes.astype(int).tolist():
        inner = (slice(y + h // 5, y + 4 * h // 5), slice(x + w // 5, x + 4 * w // 5))
        assert scene.pixels[inner].std() > 60
        assert blurred.pixels[inner].std() < 20
    assert (blurred.pixels[:30] == scene.pixels[:30]).all()


class Fires:
    """Stands in for a network that fires in every view, now more, now less surely."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def predict_on_batch(self, pictures: np.ndarray) -> np.ndarray:
        maps = np.zeros((len(pictures), sum(c.shape[0] * c.shape[1] for c in cell_centres(*MINED_PX)), VALUES))
        maps[..., 0] = self._rng.uniform(0, 1, (len(pictures), 1))
        return maps


def test_hard_views_are_added_to_the_remembered_ones_until_there_are_enough(folder: Path) -> None:
    recipe = TINY.model_copy(update={"mine_pictures": 30, "mined_most": 20})
    composer = Composer(load_scenes(folder, held_out=False), recipe.composition)
    batches = Batches(Maker(composer, recipe), recipe, folder)
    mining = Mining(composer, batches, recipe)
    mining.set_model(Fires())
    remembered = []
    for epoch in range(4):
        mining.on_epoch_end(epoch)
        remembered.append(len(mining.looks))
        assert mining.scores == sorted(mining.scores, reverse=True)
        assert batches.hard == mining.looks
    # Of 30 fresh views three tenths; then of 21, 20 and 20, since up to ten old ones are looked at again.
    assert remembered == [9, 16, 20, 20]


def one_face(x: float, y: float, w: float, h: float, score: float = 0.9) -> Faces:
    points = np.array([[(x + w * 0.5, y + h * 0.5)] * 5], np.float32)
    return Faces(np.array([1]), np.array([[x, y, w, h]], np.float32), points, np.array([score], np.float32))


def maps_of(targets: np.ndarray) -> list[np.ndarray]:
    sizes = [centres.shape[:2] for centres in cell_centres(128, 160)]
    ends = np.cumsum([rows * columns for rows, columns in sizes])[:-1]
    return [
        part.reshape(-1, *size, VALUES + 2) for part, size in zip(np.split(targets, ends, axis=1), sizes, strict=True)
    ]


def test_the_cell_in_the_middle_of_a_face_is_taught_its_place() -> None:
    # The cell of stride 8 with the centre (39.5, 55.5); the face's centre is (41.5, 54.5).
    fine, middle, coarse = maps_of(make_targets(one_face(31.5, 42.5, 20, 24), 2, 128, 160))
    cell = fine[1, 6, 4]
    assert cell[:3].tolist() == [1, 1, 1]
    assert cell[3:5].tolist() == pytest.approx([2 / 8, -1 / 8])
    assert cell[5:7].tolist() == pytest.approx([np.log(20 / 8), np.log(24 / 8)])
    assert cell[7:9].tolist() == pytest.approx([2 / 8, -1 / 8])
    assert fine[1, 6, 5, 1] == 0  # eight pixels off: neither
    assert fine[1, 6, 7].tolist() == [0, 1] + [0] * VALUES
    assert fine[0, ..., 2].sum() == 0  # the other picture
    assert middle[..., 2].sum() == 0
    assert (middle[1, ..., 1] == 0).sum() == 1  # a face a bit too small for that map
    assert (coarse[..., 1] == 1).all()


def test_doubts_of_the_teacher_are_not_taught() -> None:
    for targets in maps_of(make_targets(one_face(30, 40, 60, 60, score=0), 2, 128, 160)):
        assert targets[..., 2].sum() == 0
        assert (targets[1, ..., 1] == 0).any()
        assert (targets[0, ..., 1] == 1).all()
    fine = maps_of(make_targets(one_face(30, 40, 40, 40, score=0.72), 2, 128, 160))[0]
    assert fine[1, 6, 5, 0] == pytest.approx(0.8)


def test_the_loss_is_least_where_everything_is_right_and_blind_to_what_is_left_out() -> None:
    targets = make_targets(one_face(31.5, 42.5, 20, 24), 2, 128, 160)
    right = np.zeros((*targets.shape[:2], VALUES), np.float32)
    right[..., 0] = np.where(targets[..., 0] > 0, 12, -12)
    right[..., 1:] = targets[..., 3:]
    loss = make_loss(2.0, 1.0)

    def of(predicted: np.ndarray) -> float:
        return float(ops.convert_to_numpy(loss(ops.convert_to_tensor(targets), ops.convert_to_tensor(predicted))))

    assert of(right) == pytest.approx(0, abs=1e-4)
    moved = right.copy()
    moved[..., 1] += 20 / 8  # beside the true box, touching it: IoU 0, hull 0 empty
    assert of(moved) == pytest.approx(2 * 1, abs=1e-3)
    blurred = right.copy()
    blurred[..., 5:] += 1  # one stride, in sizes of the face; Huber: beyond its bend
    assert of(blurred) == pytest.approx(8 / np.sqrt(20 * 24) - 0.025, abs=1e-3)
    ignored = right.copy()
    ignored[targets[..., 1] == 0] = 50
    assert of(ignored) == of(right)


def test_the_net_gives_a_row_per_cell_on_any_size() -> None:
    net = build((4, 4, 8, 8, 8))
    for height, width in ((96, 96), (240, 320)):
        pictures = np.zeros((1, height, width, 1), np.float32)
        rows = training_model(net).predict_on_batch(pictures)
        assert rows.shape == (1, sum(c.shape[0] * c.shape[1] for c in cell_centres(height, width)), VALUES)
        scores = 1 / (1 + np.exp(-np.asarray(rows)[..., 0]))
        assert scores.mean() == pytest.approx(0.018, abs=0.002)  # hardly a face anywhere, before training


def test_what_ships_keeps_to_its_size() -> None:
    recipe = load_recipe(None, {})
    assert build(recipe.widths).count_params() == 175_413


def test_a_worse_camera_keeps_the_shape(scenes: list[Scene]) -> None:
    photometry, rng = Photometry(0), np.random.default_rng(0)
    pictures = [photometry.spoil(scenes[0].pixels, rng) for _ in range(60)]
    assert {(picture.shape, picture.dtype.name) for picture in pictures} == {((240, 320), "uint8")}
    assert len({picture.tobytes() for picture in pictures}) > 50
    means = [picture.mean() for picture in pictures]
    assert min(means) < 50
    assert max(means) > 120
    large = np.full((1024, 1024), 90, np.uint8)  # as many pixels as the pool has
    assert max(photometry.spoil(large, rng).std() for _ in range(20)) > 1


TINY = DetectorRecipe(
    widths=(4, 4, 8, 8, 8), steps=6, steps_per_epoch=2, warmup_steps=1, mine_epochs=1, mine_pictures=6,
    precision="float32", ema=0.5,
    sizes=(Size(height_px=96, width_px=96, batch=2, share=1, late_share=1),),
)  # fmt: skip


@pytest.mark.slow
def test_a_killed_run_goes_on(folder: Path, tmp_path: Path) -> None:
    train(TINY.model_copy(update={"steps": 2}), folder, tmp_path / "a")
    net = train(TINY, folder, tmp_path / "a")
    history = pd.read_csv(tmp_path / "a" / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert np.isfinite(history["loss"]).all()
    saved = keras.saving.load_model(tmp_path / "a" / "detector.keras", compile=False)
    for ours, theirs in zip(net.get_weights(), saved.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)
    with pytest.raises(ConfigError, match=r"holds a run by another recipe \(ema: 0\.5 there, 0\.9 here\)"):
        train(TINY.model_copy(update={"ema": 0.9}), folder, tmp_path / "a")


@pytest.mark.slow
def test_the_command_trains(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("widths: [4, 4, 8, 8, 8]\nsteps: 1\nsteps_per_epoch: 1\nmine_pictures: 0\n")
    words = ["--data", str(folder), "--out", str(tmp_path / "run"), "--recipe", str(tmp_path / "tiny.yaml")]
    assert main(["detector", *words, "--precision", "float32"]) == 0
    assert (tmp_path / "run" / "detector.keras").is_file()


def test_sizes_can_be_given_on_the_command_line() -> None:
    recipe = load_recipe(None, {"sizes": ["96x112:8:0.5:1"], "composition": {"faceless": 0.4}})
    assert recipe.sizes == (Size(height_px=96, width_px=112, batch=8, share=0.5, late_share=1),)
    assert recipe.composition == load_recipe(None, {}).composition.model_copy(update={"faceless": 0.4})


def test_recipes_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(
        "steps: 0\nsizes: [{height_px: 100, width_px: 160, batch: 1, share: 1, late_share: 1}]"
    )
    with pytest.raises(ConfigError, match=r"steps: Input should be greater.*\n.*sizes\.0\.height_px: .*multiple of 16"):
        load_recipe(tmp_path / "r.yaml", {})
    (tmp_path / "r.yaml").write_text("sizes: [96x96:2:1:0]")
    with pytest.raises(ConfigError, match=r"sizes: .*all shares are 0, or all late shares are"):
        load_recipe(tmp_path / "r.yaml", {})
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_recipe(tmp_path / "none.yaml", {})
