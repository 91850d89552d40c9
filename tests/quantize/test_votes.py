import shutil
from pathlib import Path

import numpy as np
import pytest

from edge_fer.card import load_model_files, read_card
from edge_fer.ferplus import EIGHT, judge_by_votes, read_majorities, relabel
from edge_fer.labelled import find_labelled
from edge_fer.tflite import Network
from edge_fer_quantize.__main__ import main

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"
COLUMNS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for ending in ("tflite", "json"):
        shutil.copy(TINY.with_suffix(f".{ending}"), tmp_path)
    return tmp_path / "tiny.tflite"


@pytest.fixture
def votes(faces: Path, tmp_path: Path) -> Path:
    """Ten of ten people saw in the n-th training picture the n-th emotion, over and over."""
    lines = [f"filename,{','.join(COLUMNS)},unknown,not_a_face"]
    for number, picture in enumerate(find_labelled(faces, "train")):
        counts = ["10" if number % 8 == column else "0" for column in range(8)]
        lines.append(f"train/{picture.source},{','.join(counts)},0,0")
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_map_learns_what_the_voters_say(model: Path, faces: Path, votes: Path) -> None:
    before = read_card(model.with_suffix(".json"))
    assert main(["card", str(model), "--data", str(faces), "--votes", str(votes)]) == 0
    card, content = load_model_files(model)
    head = card.votes_head
    assert head is not None
    assert head.labels == EIGHT
    assert head.pictures == 32
    assert np.array(head.weights).shape == (8, 7)
    pictures, _ = relabel(find_labelled(faces, "train"), read_majorities(votes), "train")
    _, _, by_label = judge_by_votes(Network(content, before), before, pictures)
    _, _, by_map = judge_by_votes(Network(content, card), card, pictures)
    assert by_map.nll < np.log(8)  # knows more than chance, of the pictures that it was fitted on
    assert by_map.accuracy > by_label.accuracy
    assert main(["card", str(model)]) == 0
    assert read_card(model.with_suffix(".json")).votes_head == head


def test_an_emotion_that_nobody_saw(model: Path, faces: Path, votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = [line for line in votes.read_text().splitlines() if ".png,0,0,10," not in line]
    votes.write_text("\n".join(kept) + "\n")
    before = model.with_suffix(".json").read_text()
    assert main(["card", str(model), "--data", str(faces), "--votes", str(votes)]) == 1
    assert capsys.readouterr().err.endswith("votes.csv: no training picture in which most people saw fear\n")
    assert model.with_suffix(".json").read_text() == before


def test_votes_without_pictures(model: Path, votes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["card", str(model), "--votes", str(votes)])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith("error: --votes and --data belong together\n")
