import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.card import find_model, load_model_files
from edge_fer.detect.yunet import YuNet
from edge_fer.errors import DataError
from edge_fer.labelled import find_labelled
from edge_fer.preprocess import CropMargin, crop_face
from edge_fer.records import LABELS, Box, Face, Frame, GrayImage
from edge_fer_quantize.__main__ import main
from edge_fer_quantize.fitcrop import SCALES, SHIFTS, SIDES_PX, choose, fit_crop, framing, margins_around, paste
from edge_fer_quantize.splits import find_splits

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


class Fake:
    """Finds the picture in the middle of the canvas: 0.8 of its width, all its height, 0.1 of it too high."""

    name = "fake"

    def __init__(self, blind: int = 0) -> None:
        self._blind = blind

    def detect(self, frame: Frame) -> list[Face]:
        if self._blind:
            self._blind -= 1
            return []
        side = frame.pixels.shape[0] / 2
        face = Box(side * 0.6, side * 0.4, side * 0.8, side)
        return [Face(Box(0, 0, side / 4, side / 4), 0.99), Face(face, 0.8)]


def noise(side: int) -> GrayImage:
    return np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8)


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """Two pictures of noise of each label in either split."""
    for split in ("train", "validation"):
        for label in LABELS:
            folder = tmp_path / "seven" / split / label
            folder.mkdir(parents=True)
            for number in range(2):
                cv2.imwrite(str(folder / f"{number}.png"), noise(48))
    return tmp_path / "seven"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for ending in ("tflite", "json"):
        shutil.copy(TINY.with_suffix(f".{ending}"), tmp_path)
    return tmp_path / "tiny.tflite"


def test_the_canvas_holds_the_picture_in_its_middle() -> None:
    pasted = paste(noise(48), 96, Fake())
    assert pasted.frame.pixels.shape == (192, 192)
    assert pasted.place == Box(48, 48, 96, 96)
    canvas = pasted.frame.pixels.astype(int)
    assert abs(np.diff(canvas[:40])).mean() < abs(np.diff(canvas[48:144, 48:144])).mean() / 5


def test_the_box_that_covers_the_picture_counts_not_the_surest() -> None:
    assert paste(noise(48), 100, Fake()).found == Face(Box(60, 40, 80, 100), 0.8)


def test_nothing_found_is_nothing_found() -> None:
    assert paste(noise(48), 96, Fake(blind=1)).found is None


def test_the_framing_cuts_out_what_was_pasted() -> None:
    pasted = paste(noise(48), 144, Fake())
    assert pasted.found is not None
    scale, shift_y = framing(pasted.place, pasted.found.box)
    assert scale == pytest.approx(1 / 0.9)
    assert shift_y == pytest.approx(0.1)
    crop = crop_face(pasted.frame.pixels, pasted.found.box, CropMargin(scale, shift_y), (144, 144))
    assert crop.tolist() == pasted.frame.pixels[72:216, 72:216].tolist()


def test_the_fit_goes_into_the_card_and_its_text(model: Path, seven: Path) -> None:
    fit_crop(model, find_splits(seven), Fake(blind=3), per_class=2)
    card, _ = load_model_files(model)
    assert card.crop_margins["fake"] == CropMargin(scale=1.111, shift_y=0.1)
    assert card.crop_margins["yunet"] == CropMargin(scale=1.1, shift_y=0.0)  # the others stay
    fit = card.crop_fits["fake"]
    assert fit.pictures == 28  # seven labels, two pictures, two sizes
    assert fit.found == pytest.approx(25 / 28)
    assert fit.scale_quartiles == (1.111, 1.111)
    assert fit.judged == 14
    assert "| fake | 1.111 (1.111 to 1.111) | +0.100 (+0.100 to +0.100) | 89.3% | 14 | " in (
        model.with_name("MODEL_CARD.md").read_text()
    )


def test_margins_are_tried_on_all_sides_of_the_framing() -> None:
    margins = margins_around(CropMargin(1.1, -0.02))
    assert [row[0].scale for row in margins] == [0.968, 1.034, 1.1, 1.166, 1.232]
    assert [margin.shift_y for margin in margins[0]] == [-0.08, -0.05, -0.02, 0.01, 0.04]
    assert (len(SCALES), len(SHIFTS)) == (5, 5)


def test_the_margin_is_chosen_where_its_neighbours_are_good_too() -> None:
    accuracies = np.full((5, 5), 0.5)
    assert choose(accuracies) == (2, 2)
    accuracies[0, 4] = 0.9  # lucky
    accuracies[2:5, 0:3] = 0.6
    assert choose(accuracies) == (3, 1)


def test_a_detector_that_finds_next_to_nothing(model: Path, seven: Path) -> None:
    before = model.with_suffix(".json").read_text()
    with pytest.raises(DataError, match="fake found only 4 faces in 28 training pictures"):
        fit_crop(model, find_splits(seven), Fake(blind=24), per_class=2)
    assert model.with_suffix(".json").read_text() == before


def test_the_command_says_what_is_wrong_in_one_sentence(
    model: Path, seven: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fit-crop", str(model), "--data", str(seven), "--detector", "haar"]) == 1
    assert capsys.readouterr().err == (f"edge-fer-quantize: {seven}: haar found only 0 faces in 28 training pictures\n")


def test_a_later_detector_sees_the_pictures_that_the_network_was_made_with(
    model: Path, seven: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of folders of emotions alone: neither what the trainer's run set apart, nor what was left out."""
    run = model.parent
    (run / "validation.txt").write_text("\n".join(f"{label}/0.png" for label in LABELS))
    data, exclude = seven / "train", run / "exclude.txt"
    for label in LABELS:
        shutil.copy(data / label / "1.png", data / label / "2.png")
    exclude.write_text("train/happy/1.png\n")
    words = ["fit-crop", str(model), "--data", str(data), "--detector", "haar", "--run", str(run)]
    assert main([*words, "--exclude", str(exclude)]) == 1
    assert capsys.readouterr().err == (f"edge-fer-quantize: {data}: haar found only 0 faces in 26 training pictures\n")


def test_a_run_that_is_not_there(model: Path, seven: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["fit-crop", str(model), "--data", str(seven), "--detector", "haar", "--run", str(seven / "none")]
    assert main(words) == 1
    assert capsys.readouterr().err == f"edge-fer-quantize: {seven / 'none'}: there is no such folder\n"


@pytest.mark.data
def test_the_shipped_margin_is_what_the_detector_needs(data: Path) -> None:
    card, _ = load_model_files(find_model("emotion"))
    yunet = YuNet(model=data / "models" / "face_detection_yunet_2023mar.onnx")
    pictures = find_labelled(data / "fer2013" / "fer2013-train-validation.zip", "validation")[::60]
    pasted = [paste(picture.read(), side, yunet) for side in SIDES_PX for picture in pictures]
    frames = [framing(one.place, one.found.box) for one in pasted if one.found is not None]
    assert len(frames) > 0.8 * len(pasted)
    scale, shift_y = np.median(frames, axis=0)
    fit, margin = card.crop_fits["yunet"], card.crop_margins["yunet"]
    assert scale == pytest.approx(np.mean(fit.scale_quartiles), abs=0.05)
    assert shift_y == pytest.approx(np.mean(fit.shift_y_quartiles), abs=0.03)
    assert margin.scale / scale == pytest.approx(1, abs=0.1)  # as far as margins are tried
    assert margin.shift_y == pytest.approx(shift_y, abs=0.05)
