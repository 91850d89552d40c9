import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.card import load_model_files
from edge_fer.errors import DataError
from edge_fer.labelled import LabelledPicture
from edge_fer.preprocess import CropMargin, resize_face, to_model_input
from edge_fer.records import LABELS, Box, Face, Frame
from edge_fer.tflite import Network
from edge_fer_quantize.__main__ import main
from edge_fer_quantize.robustness import Candidate, Cell, Outcome, choose, measure, open_candidates, table
from edge_fer_quantize.scenes import CONDITIONS, find_backgrounds

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"
EXACT = CropMargin(1.0, 0.0)


class SeesWhite:
    """Finds what is brighter than the scenes of this test; nothing narrower than a limit."""

    name = "fake"

    def __init__(self, least_px: int = 0) -> None:
        self._least_px = least_px

    def detect(self, frame: Frame) -> list[Face]:
        x, y, width, height = cv2.boundingRect((frame.pixels > 200).astype(np.uint8))
        return [Face(Box(x, y, width, height), 0.9)] if width >= max(self._least_px, 1) else []


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    (tmp_path / "scenes").mkdir()
    cv2.imwrite(str(tmp_path / "scenes" / "dark.png"), np.zeros((480, 640), np.uint8))
    return tmp_path / "scenes"


FRAMED = np.pad(np.zeros((24, 24), np.uint8), 12, constant_values=255)


def white(source: str, label: str) -> LabelledPicture:
    return LabelledPicture(source, label, lambda: FRAMED)


def candidate(name: str, margin: CropMargin = EXACT) -> Candidate:
    card, content = load_model_files(TINY)
    return Candidate(name, card, Network(content, card), margin)


def said_of_white() -> str:
    one = candidate("x")
    picture = resize_face(FRAMED, one.card.input_size)
    label: str = one.card.labels[int(one.network.logits(to_model_input(picture)).argmax())]
    return label


def test_found_and_right_are_counted(scenes: Path) -> None:
    right = said_of_white()
    wrong = next(label for label in LABELS if label != right)
    pictures = [white("a", right), white("b", right), white("c", wrong), white("d", right)]
    [outcome] = measure(
        [candidate("x")], SeesWhite(least_px=60), pictures, find_backgrounds(scenes), seed=0, sides_px=(32, 64)
    )
    assert outcome.accuracy_whole == 0.75
    assert outcome.p == 1.0
    assert [(cell.condition, cell.side_px) for cell in outcome.cells] == [
        (condition, side) for condition in CONDITIONS for side in (32, 64)
    ]
    cells = {(cell.condition, cell.side_px): cell for cell in outcome.cells}
    assert (cells["clean", 32].found, cells["clean", 32].accuracy, cells["clean", 32].accuracy_found) == (0, 0, None)
    assert (cells["clean", 64].found, cells["clean", 64].accuracy, cells["clean", 64].accuracy_found) == (1, 0.75, 0.75)
    assert cells["low light", 64].found == 0  # too dark for this detector
    assert outcome.accuracy == pytest.approx(np.mean([cell.accuracy for cell in outcome.cells]))


def test_candidates_are_compared_on_the_same_frames(scenes: Path) -> None:
    pictures = [white(str(number), said_of_white()) for number in range(8)]
    candidates = [candidate("first"), candidate("first again"), candidate("too wide", CropMargin(4.0, 0.5))]
    outcomes = measure(candidates, SeesWhite(), pictures, find_backgrounds(scenes), seed=0, sides_px=(64,))
    assert outcomes[0] == replace(outcomes[1], name="first")
    assert [one.margin for one in outcomes] == [EXACT, EXACT, CropMargin(4.0, 0.5)]
    assert [cell.found for cell in outcomes[2].cells] == [cell.found for cell in outcomes[0].cells]
    assert outcomes[2].accuracy < outcomes[0].accuracy
    assert outcomes[2].p == pytest.approx(2 / 2**8, abs=0.003)  # eight pictures, all worse


def test_pictures_are_drawn_by_the_seed() -> None:
    pictures = [white(str(number), "happy") for number in range(20)]
    drawn = [one.source for one in choose(pictures, 5, seed=0)]
    assert len(set(drawn)) == 5
    assert drawn == [one.source for one in choose(pictures, 5, seed=0)]
    assert drawn != [one.source for one in choose(pictures, 5, seed=1)]
    with pytest.raises(DataError, match="there are 20 validation pictures, fewer than the 21 asked for"):
        choose(pictures, 21, seed=0)


def test_the_cards_margin_counts_unless_others_are_given() -> None:
    assert [one.margin for one in open_candidates(str(TINY), [], "yunet")] == [CropMargin(1.1, 0.0)]
    tried = open_candidates(str(TINY), [(1.2, -0.05), (1.0, 0.0)], "yunet")
    assert [one.margin for one in tried] == [CropMargin(1.2, -0.05), CropMargin(1.0, 0.0)]
    assert tried[0].name == f"{TINY} at 1.2, -0.05"


def test_the_table() -> None:
    cells = tuple(Cell(condition, 32, 0.5, 0.25, (0.1, 0.5), 0.5) for condition in CONDITIONS)
    first = Outcome("a", "0" * 64, CropMargin(1.0, 0.0), 0.75, 0.25, (0.2, 0.3), 0.5, 1.0, cells)
    second = replace(first, name="b", accuracy=0.2, p=0.012, accuracy_found=None)
    lines = table([first, second], [32]).splitlines()
    assert lines[:2] == ["faces found     32 px", "clean           50.0%"]
    assert lines[10:13] == [
        "a, crop scale 1.000, shift +0.000",
        "right: 75.0% of the pictures as they are; in scenes 25.0% of all faces (20.0% to 30.0%), 50.0% of those found",
        "judged right    32 px",
    ]
    assert lines[24] == "against the first: -5.0%, p = 0.012"


def test_the_command_writes_figures_and_picture(
    faces: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["robustness", str(TINY), "--data", str(faces), "--scenes", str(scenes), "--out", str(tmp_path / "out")]
    assert main([*words, "--pictures", "2", "--seed", "5", "--detector", "haar", "--margins", "1,0", "1.2,-0.05"]) == 0
    report = json.loads((tmp_path / "out" / "robustness.json").read_text())
    assert (report["detector"], report["pictures"], report["seed"]) == ("haar", 2, 5)
    assert report["frame"] == [480, 640]
    assert [one["margin"]["scale"] for one in report["models"]] == [1.0, 1.2]
    assert len(report["models"][0]["cells"]) == 48
    assert (tmp_path / "out" / "robustness.png").stat().st_size > 10_000
    assert "faces found" in capsys.readouterr().out


def test_a_margin_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["robustness", "m", "--data", "d", "--scenes", "s", "--out", "o", "--margins", "1.1"])
    assert end.value.code == 2
    assert "'1.1' must be SCALE,SHIFT such as 1.08,-0.02" in capsys.readouterr().err


@pytest.mark.data
def test_the_shipped_model_before_a_camera(data: Path, tmp_path: Path) -> None:
    words = ["robustness", "emotion", "--data", str(data / "fer2013" / "fer2013-train-validation.zip"), "--scenes"]
    words += [str(data / "faces" / "scenes.zip"), "--out", str(tmp_path), "--pictures", "20", "--detector", "yunet"]
    assert main([*words, "--detector-model", str(data / "models" / "face_detection_yunet_2023mar.onnx")]) == 0
    [model] = json.loads((tmp_path / "robustness.json").read_text())["models"]
    cells = {(cell["condition"], cell["side_px"]): cell for cell in model["cells"]}
    assert cells["clean", 140]["found"] >= 0.85
    assert cells["clean", 140]["accuracy_found"] >= model["accuracy_whole"] - 0.15
