import argparse
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.card import find_model, load_model_files
from edge_fer.errors import DataError
from edge_fer.evaluate import add_arguments, run, table
from edge_fer.judgement import judge
from edge_fer.labelled import LabelledPicture, find_labelled
from edge_fer.metrics import ClassScores, Scores
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import Network, softmax

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"


def evaluate(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for label in ("happy", "disgust"):
        (tmp_path / "faces" / label).mkdir(parents=True)
        for number in range(6):
            noise = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "faces" / label / f"{number}.png"), cv2.resize(noise, (48, 48)))
    return tmp_path / "faces"


def test_the_report_is_what_the_daemon_would_say(faces: Path, tmp_path: Path) -> None:
    assert evaluate(faces, "--model", TINY, "--json", tmp_path / "scores.json") == 0
    report = json.loads((tmp_path / "scores.json").read_text())
    card, content = load_model_files(TINY)
    network = Network(content, card)
    pictures = find_labelled(faces)
    said = [card.labels[network.logits(to_model_input(one.read())).argmax()] for one in pictures]
    right = sum(label == one.label for label, one in zip(said, pictures, strict=True))
    assert report["n"] == 12
    assert report["accuracy"] == right / 12
    assert report["accuracy_ci95"][0] < right / 12 < report["accuracy_ci95"][1]
    assert report["labels"] == list(card.labels)
    assert report["model"] == {"name": "tiny", "sha256": card.sha256}
    assert report["per_class"]["happy"]["n"] == report["per_class"]["disgust"]["n"] == 6
    assert sum(map(sum, report["confusion"])) == 12
    assert 0 < report["ms_per_image"] < 50
    assert {"macro_f1", "ece", "nll"} <= report.keys()


def test_a_damaged_picture_is_not_counted(faces: Path, tmp_path: Path) -> None:
    for number in range(6, 100):
        (faces / "happy" / f"{number}.png").symlink_to(faces / "happy" / "0.png")
    (faces / "disgust" / "5.png").write_bytes(b"no picture")
    assert evaluate(faces, "--model", TINY, "--json", tmp_path / "scores.json") == 0
    per_class = json.loads((tmp_path / "scores.json").read_text())["per_class"]
    assert (per_class["happy"]["n"], per_class["disgust"]["n"]) == (100, 5)


def test_the_temperature_of_the_card_counts(faces: Path, tmp_path: Path) -> None:
    card, content = load_model_files(TINY)
    (tmp_path / "warm.tflite").write_bytes(content)
    (tmp_path / "warm.json").write_text(card.model_copy(update={"temperature": 3.0}).to_json())
    judgement = judge(Network(content, card), card, find_labelled(faces))
    evaluate(faces, "--model", tmp_path / "warm.tflite", "--json", tmp_path / "scores.json")
    right = softmax(judgement.logits, 3.0)[np.arange(12), judgement.truth]
    assert json.loads((tmp_path / "scores.json").read_text())["nll"] == pytest.approx(-np.log(right).mean())


def test_pictures_of_another_size_are_scaled(tmp_path: Path) -> None:
    card, content = load_model_files(TINY)
    large = LabelledPicture("x", "happy", lambda: np.full((96, 96), 200, np.uint8))
    small = LabelledPicture("y", "happy", lambda: np.full((48, 48), 200, np.uint8))
    logits = judge(Network(content, card), card, [large, small]).logits
    assert logits[0].tolist() == logits[1].tolist()


def test_a_label_that_the_model_does_not_know(faces: Path, tmp_path: Path) -> None:
    (faces / "happy").rename(faces / "joyful")
    with pytest.raises(DataError) as error:
        evaluate(faces, "--model", TINY, "--json", tmp_path / "scores.json")
    assert str(error.value) == (
        "joyful/0.png: 'joyful' is no label of the model, "
        "which knows angry, disgust, fear, happy, sad, surprise, neutral"
    )
    assert not (tmp_path / "scores.json").exists()


def test_pictures_of_the_scores_are_drawn(faces: Path, tmp_path: Path) -> None:
    assert evaluate(faces, "--model", TINY, "--plots", tmp_path / "plots") == 0
    for name in ("confusion.png", "reliability.png"):
        drawn = cv2.imread(str(tmp_path / "plots" / name))
        assert drawn is not None
        assert len(np.unique(drawn)) > 20


@pytest.mark.parametrize(
    ("lacking", "options", "sentence"),
    [
        (["matplotlib"], ["--plots", "plots"], "pictures of scores need matplotlib: pip install 'edge-fer[plots]'"),
        (
            ["ai_edge_litert", "tflite_runtime"],
            [],
            "no TFLite runtime is installed: pip install ai-edge-litert (32-bit Arm: tflite-runtime)",
        ),
    ],
)
def test_a_library_that_is_not_installed(
    faces: Path, tmp_path: Path, lacking: list[str], options: list[str], sentence: str
) -> None:
    # None in sys.modules is how Python says that there is no such module.
    blocked = f"import sys; sys.modules.update(dict.fromkeys({lacking}))"
    program = f"{blocked}; from edge_fer.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "evaluate", str(faces), "--model", str(TINY), *options]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.stderr == f"edge-fer: {sentence}\n"
    assert ended.returncode == 1
    assert not (tmp_path / "plots").exists()


def test_the_table() -> None:
    scores = Scores(
        n=4,
        accuracy=0.75,
        accuracy_ci95=(0.301, 0.954),
        macro_f1=0.7333,
        ece=0.1,
        nll=0.5,
        per_class={"happy": ClassScores(1.0, 0.5, 2 / 3, 2), "sad": ClassScores(2 / 3, 1.0, 0.8, 2)},
        confusion=((1, 1), (0, 2)),
    )
    assert table(scores) == (
        "             precision  recall      F1      n\n"
        "happy            1.000   0.500   0.667      2\n"
        "sad              0.667   1.000   0.800      2\n"
        "\n"
        "accuracy 75.00% (95 % interval 30.10% to 95.40%) of 4 pictures\n"
        "macro F1 0.733, ECE 0.1000, NLL 0.5000\n"
    )


@pytest.mark.data
def test_the_shipped_model_reaches_on_the_validation_split_what_its_card_says(data: Path, tmp_path: Path) -> None:
    source = data / "fer2013" / "fer2013-train-validation.zip"
    assert evaluate(source, "--split", "validation", "--json", tmp_path / "scores.json") == 0
    report = json.loads((tmp_path / "scores.json").read_text())
    card, _ = load_model_files(find_model("emotion"))
    assert report["n"] == 3589
    assert report["accuracy"] >= 0.62
    assert report["accuracy"] == pytest.approx(card.scores["validation"].accuracy, abs=0.003)
    assert report["ece"] <= 0.03
