import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from edge_fer_quantize.__main__ import main as quantize
from edge_fer_train.__main__ import main
from edge_fer_train.benchmark import benchmark
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.recipe import Recipe

HELP = """
import sys
from edge_fer_train.__main__ import main
try:
    main([*sys.argv[1:], "--help"])
finally:
    heavy = {"keras", "tensorflow", "cv2", "pandas", "sklearn", "matplotlib"} & set(sys.modules)
    assert not heavy, heavy
"""


@pytest.mark.parametrize("command", [[], ["compare"], ["predict"], ["augment"], ["benchmark"], ["shard"]])
def test_help_loads_nothing_heavy(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", HELP, *command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: edge-fer-train {' '.join(command)}".strip())
    if command != ["predict"]:
        assert "--label-smoothing" in done.stdout
        assert "published recipe: " in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--data", "absent"], 1, "edge-fer-train: absent: no such file or folder.\n"),
        (["--data", "x", "--epochs", "0"], 2, "epochs: Input should be greater than or equal to 1"),
        (["--data", "x", "--recipe", "absent"], 2, "no such recipe"),
        (["--data", "x", "--problem-limit", "2"], 2, "--problem-limit: Input should be less than or equal to 1"),
    ],
)
def test_a_mistake_gets_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, sentence: str
) -> None:
    assert main([*words, "--out", str(tmp_path / "run")]) == code
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_pictures_per_shard_are_counted_from_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["shard", "--data", "x", "--out", "y", "--per-shard", "0"])
    assert "--per-shard: '0' is not right; give a whole number from 1 up" in capsys.readouterr().err


def test_what_is_not_resumed_does_not_promise_it(
    bands_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_fer_train.data.shards._add", stop)
    data = ["--data", str(bands_folder), "--size", "24", "--cache", str(tmp_path / "cache")]
    assert main(["shard", *data, "--out", str(tmp_path / "shards")]) == 130
    assert capsys.readouterr().err.endswith("\nedge-fer-train: stopped\n")
    monkeypatch.setattr("edge_fer_train.fit.train", stop)
    assert main([*data, "--out", str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err.endswith("stopped; the same command goes on where it was\n")


def test_a_picture_of_augmentation(bands_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "augmentation.png"
    assert main(["augment", "--data", str(bands_folder), "--size", "24", "--rotate", "30", "--out", str(out)]) == 0
    picture = cv2.imread(str(out), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    rows = [band.std() for band in picture.reshape(8, -1, picture.shape[1])[:, 40:-40]]
    assert min(rows) > 30  # every one of the eight samples is there


def test_data_can_be_sharded_and_trained_from_the_command_line(bands_folder: Path, tmp_path: Path) -> None:
    common = ["--data", str(bands_folder), "--size", "24", "--cache", str(tmp_path / "cache")]
    assert main(["shard", *common, "--out", str(tmp_path / "shards"), "--per-shard", "50"]) == 0
    train = ["--data", str(tmp_path / "shards"), "--size", "24", "--epochs", "1", "--batch-size", "32"]
    net = ["--net-args", "widths=[4]", "depths=[1]"]
    assert main([*train, *net, "--out", str(tmp_path / "run")]) == 0
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "augmentation.png", "checkpoint.npz", "classification-validation.txt", "confusion-validation.png",
        "curves.png", "history.csv", "last.keras", "misclassified-validation.csv", "mistakes-validation.png",
        "model.keras", "recipe.yaml", "reliability-validation.png", "report.html", "run.json",
    }  # fmt: skip


def test_ones_own_folders_of_emotions_become_a_model(bands_folder: Path, tmp_path: Path) -> None:
    """No split is given: the trainer sets pictures apart, and the quantizer judges by the very same."""
    run, data = tmp_path / "run", str(bands_folder / "train")
    train = ["--data", data, "--size", "24", "--epochs", "1", "--batch-size", "16", "--cache", str(tmp_path / "cache")]
    assert main([*train, "--net-args", "widths=[4]", "depths=[1]", "--out", str(run)]) == 0
    account = json.loads((run / "run.json").read_text())
    assert account["data"]["pictures"] == {"train": 86, "validation": 10}
    assert len((run / "validation.txt").read_text().splitlines()) == 10
    words = [str(run / "model.keras"), "--data", data, "--out", str(tmp_path / "model"), "--calibration-per-class", "4"]
    assert quantize([*words, "--method", "ptq"]) == 0
    card = json.loads((tmp_path / "model" / "emotion.json").read_text())
    assert card["scores"]["validation"]["n"] == 10
    assert card["quantization"]["accuracy_float"] == account["scores"]["validation"]["accuracy"]


def test_the_benchmark_compares_what_it_says(bands: Dataset) -> None:
    recipe = Recipe(
        size=24, batch_size=32, net_args={"widths": [4], "depths": [1]}, precision="float32", teachers=("edge",)
    )
    rates = benchmark(recipe, bands, steps=2)
    assert set(rates) == {"batches", "opencv", "scipy", "net"}
    assert min(rates.values()) > 0
