import csv
import itertools
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_fer.card import load_model_files, read_card
from edge_fer.judgement import judge
from edge_fer.labelled import find_labelled
from edge_fer.metrics import negative_log_likelihood
from edge_fer.preprocess import CropMargin
from edge_fer.tflite import Network, softmax
from edge_fer_quantize.__main__ import main

# Keras 3.15 has not learned all of NumPy 2 yet.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def quantize(model: Path, faces: Path, out: Path, *options: str) -> int:
    words = [str(model), "--data", str(faces), "--out", str(out), "--calibration-per-class", "4"]
    return int(main([*words, *options]))


def test_a_model_becomes_a_pair_that_the_daemon_runs(net: Path, faces: Path, tmp_path: Path) -> None:
    account = {"labels": ["sad", "happy", "neutral"], "recipe": {"seed": 7}, "scores": {"validation": {}}}
    net.with_name("run.json").write_text(json.dumps(account))
    assert quantize(net, faces, tmp_path, "--name", "mine", "--data-note", "noise", "--seed", "5") == 0
    net.with_name("run.json").unlink()
    card, content = load_model_files(tmp_path / "mine.tflite")
    assert card.labels == ("sad", "happy", "neutral")
    assert card.training == {"recipe": {"seed": 7}}
    assert card.data == "noise"
    assert (card.quantization["seed"], card.quantization["calibration_pictures"]) == (5, 12)
    assert card.size_bytes == len(content)
    judgement = judge(Network(content, card), card, find_labelled(faces, "validation"))
    scores, fit = card.scores["validation"], card.calibration
    assert scores.n == 16
    assert scores.accuracy == (judgement.logits.argmax(axis=1) == judgement.truth).mean()
    assert scores.nll == negative_log_likelihood(softmax(judgement.logits, card.temperature), judgement.truth)
    assert fit is not None
    assert fit.nll_before == negative_log_likelihood(softmax(judgement.logits), judgement.truth)
    assert fit.nll_after == scores.nll < fit.nll_before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "MODEL_CARD.md", "mine.calibration.csv", "mine.json", "mine.tflite",
    ]  # fmt: skip


def test_noise_gives_no_crop_margin_and_says_so(
    net: Path, faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert quantize(net, faces, tmp_path) == 0
    assert read_card(tmp_path / "emotion.json").crop_margins == {}
    assert f"no crop margin for haar: {faces}: haar found only 0 faces in" in caplog.text


@pytest.mark.data
def test_the_daemon_can_use_a_new_network_at_once(net: Path, data: Path, tmp_path: Path) -> None:
    """Quantizing fits the crop margin of every detector that is installed; OpenCV's cascade always is."""
    folder = tmp_path / "faces"
    with zipfile.ZipFile(data / "fer2013" / "fer2013-train-validation.zip") as archive:
        for split, label in itertools.product(("train", "validation"), ("happy", "neutral", "sad")):
            names = [name for name in archive.namelist() if name.startswith(f"{split}/{label}/") and name[-1] != "/"]
            archive.extractall(folder, sorted(names)[:8])
    assert quantize(net, folder, tmp_path / "out") == 0
    margin = read_card(tmp_path / "out" / "emotion.json").crop_margins["haar"]
    assert margin.scale == pytest.approx(1.0, abs=0.15)


def test_the_calibration_list_is_balanced_and_written(net: Path, faces: Path, tmp_path: Path) -> None:
    quantize(net, faces, tmp_path)
    with (tmp_path / "emotion.calibration.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["label"] for row in rows) == {"happy": 4, "sad": 4, "neutral": 4}
    assert all((faces / "train" / row["source"]).is_file() for row in rows)


def test_the_same_order_gives_the_same_network(net: Path, faces: Path, tmp_path: Path) -> None:
    for out in ("once", "again"):
        quantize(net, faces, tmp_path / out)
    networks = [(tmp_path / out / "emotion.tflite").read_bytes() for out in ("once", "again")]
    assert networks[0] == networks[1]


def test_crop_margins_outlive_a_new_network(net: Path, faces: Path, tmp_path: Path) -> None:
    quantize(net, faces, tmp_path)
    card_file = tmp_path / "emotion.json"
    margins = {"yunet": CropMargin(1.1, 0.02)}
    card_file.write_text(read_card(card_file).model_copy(update={"crop_margins": margins}).to_json())
    quantize(net, faces, tmp_path, "--seed", "1")
    assert read_card(card_file).crop_margins == margins


def test_labels_come_from_the_data_in_the_projects_order(net: Path, faces: Path, tmp_path: Path) -> None:
    quantize(net, faces, tmp_path)
    assert read_card(tmp_path / "emotion.json").labels == ("happy", "sad", "neutral")


def test_a_wrong_number_of_labels(
    save_net: Callable[..., Path], faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert quantize(save_net(classes=5), faces, tmp_path / "out") == 1
    sentence = "model.keras: the model gives 5 logits, but there are 3 labels: happy, sad, neutral\n"
    assert capsys.readouterr().err.endswith(sentence)
    assert not (tmp_path / "out").exists()


def test_a_float_operator_is_refused_unless_it_is_allowed(
    save_net: Callable[..., Path], faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from keras import layers  # noqa: PLC0415

    model = save_net(layers.ELU(name="soft"))
    assert quantize(model, faces, tmp_path / "out") == 1
    assert "--allow-float" in (said := capsys.readouterr().err)
    assert "layer 'soft': ELU runs in float" in said
    assert not (tmp_path / "out").exists()
    assert quantize(model, faces, tmp_path / "out", "--allow-float") == 0
    assert read_card(tmp_path / "out" / "emotion.json").float_operators == ("ELU (soft)",)
    assert "| operators in float | ELU (soft) |" in (tmp_path / "out" / "MODEL_CARD.md").read_text()


def test_data_without_a_validation_split(
    net: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = faces / "train"
    assert quantize(net, folders, tmp_path) == 1
    assert capsys.readouterr().err.endswith(
        f"{folders}: it has no splits, and {net.with_name('validation.txt')} is not there to say what was set apart\n"
    )
    assert main(["fit-crop", "emotion.tflite", "--data", str(folders), "--detector", "haar"]) == 1
    assert capsys.readouterr().err.endswith(
        f"{folders}: it has no splits: name with --run the trainer's run, which set pictures apart\n"
    )


def test_pictures_that_the_trainer_set_apart_are_judged_by(net: Path, faces: Path, tmp_path: Path) -> None:
    """Folders of labels alone, and validation pictures that the run names."""
    apart = [f"{label}/{i:02}.png" for label in ("happy", "neutral", "sad") for i in (0, 3)]
    net.with_name("validation.txt").write_text("\n".join(apart))
    try:
        assert quantize(net, faces / "train", tmp_path) == 0
    finally:
        net.with_name("validation.txt").unlink()
    assert read_card(tmp_path / "emotion.json").scores["validation"].n == 6
    rows = (tmp_path / "emotion.calibration.csv").read_text().splitlines()[1:]
    assert len(rows) == 12
    assert not {row.partition(",")[0] for row in rows} & set(apart)


def test_a_damaged_picture_is_left_out_and_told_once(
    net: Path, faces: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Though the pictures are wanted again, for the crop."""
    for split in ("train", "validation"):
        for picture in sorted(faces.glob(f"{split}/*/*.png")):
            for copy in range(7):
                link = tmp_path / "data" / picture.relative_to(faces).with_stem(f"{picture.stem}-{copy}")
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(picture)
    damaged = tmp_path / "data" / "validation" / "sad" / "00-0.png"
    damaged.unlink()
    damaged.write_bytes(b"no picture")
    assert quantize(net, tmp_path / "data", tmp_path) == 0
    assert read_card(tmp_path / "emotion.json").scores["validation"].n == 16 * 7 - 1
    left_out = [message for message in caplog.messages if message.startswith("Left out")]
    assert left_out == [f"Left out: {damaged}: not a picture that can be read"]


def test_a_folder_that_cannot_be_written_is_told_before_the_work(
    net: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert quantize(net, faces, tmp_path / "file") == 1
    assert "file: the folder cannot be made: File exists" in capsys.readouterr().err
    (tmp_path / "stray.tflite").touch()
    assert quantize(net, faces, tmp_path) == 1
    assert "stray.json" in capsys.readouterr().err
    assert not (tmp_path / "emotion.tflite").exists()


@pytest.mark.slow
def test_the_trainers_engine_is_not_the_converters(net: Path, faces: Path, tmp_path: Path) -> None:
    words = [str(net), "--data", str(faces), "--out", str(tmp_path), "--calibration-per-class", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "edge_fer_quantize", *words],
        env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "emotion.tflite").exists()


def test_an_account_that_is_none(net: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = net.with_name("run.json")
    account.write_text("[]")
    assert quantize(net, faces, tmp_path) == 1
    account.unlink()
    assert capsys.readouterr().err.endswith("run.json: not the trainer's account of a run: it must be a JSON object\n")


@pytest.mark.parametrize("method", ["auto", "qat"])
def test_how_it_was_quantized_stands_in_the_card(net: Path, faces: Path, tmp_path: Path, method: str) -> None:
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("train/happy/00.png\ntrain/sad/01.png\nvalidation/sad/01.png\n")
    words = ["--method", method, "--epochs", "1", "--exclude", str(exclude)]
    assert quantize(net, faces, tmp_path / "out", *words) == 0
    card, _ = load_model_files(tmp_path / "out" / "emotion.tflite")
    account = card.quantization
    aware = method == "qat" or account["accuracy_float"] - account["accuracy_ptq"] > 0.003
    if method == "qat":
        assert "accuracy_ptq" not in account
        assert account["method"] == "fine-tuned with the rounding, full integer, weights per channel"
        assert (account["epochs"], account["fine_tuning_pictures"]) == (1, 8 * 2 + 8 * 2 - 2)
        assert account["accuracy_qat"] == card.scores["validation"].accuracy
    else:
        best = max(account["accuracy_ptq"], account.get("accuracy_qat", 0))
        assert card.scores["validation"].accuracy == best
        assert ("accuracy_qat" in account) == aware
    listed = (tmp_path / "out" / "emotion.calibration.csv").read_text()
    assert "happy/00.png" not in listed
    assert "sad/01.png" not in listed


def test_a_list_that_leaves_out_nothing(
    net: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exclude = tmp_path / "exclude.txt"
    exclude.write_text("train/happy/99.png\n")
    assert quantize(net, faces, tmp_path / "out", "--exclude", str(exclude)) == 1
    assert capsys.readouterr().err.endswith("exclude.txt: none of its 1 paths is a training picture\n")


def test_compare_sets_the_three_forms_side_by_side(
    net: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", str(net), "--data", str(faces), "--out", str(tmp_path), "--calibration-per-class", "4"]
    assert main(words) == 0
    report = json.loads((tmp_path / "compare.json").read_text())
    keras, float_tflite, int8 = report["variants"]
    assert [one["name"] for one in report["variants"]] == ["float Keras", "float TFLite", "int8 TFLite"]
    assert keras["ms_per_image"] is None
    assert (keras["agreement"], keras["mcnemar_p"]) == (1.0, 1.0)
    assert float_tflite["accuracy"] == keras["accuracy"]
    assert int8["size_bytes"] < float_tflite["size_bytes"]
    assert int8["agreement"] >= 0.8
    assert [(one["layer"], one["operator"]) for one in report["layers"]][1:] == [
        ("second", "CONV_2D"), ("flatten", "RESHAPE"), ("logits", "FULLY_CONNECTED"),
    ]  # fmt: skip
    assert all(20 < one["sqnr_db"] < 60 for one in report["layers"])
    assert (tmp_path / "compare.png").stat().st_size > 10_000
    assert "int8 TFLite" in capsys.readouterr().out


def test_help_needs_no_tensorflow(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [*command, "--help"] for command in ([], ["compare"], ["fit-crop"], ["card"], ["robustness"], ["table"])
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert end.value.code == 0
    assert "fit-crop" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--name", "../emotion"], "argument --name: '../emotion' must be made of letters, digits, - and _"),
        (["--seed", "-1"], "argument --seed: '-1' is not right; give a whole number from 0 up"),
        (
            ["--calibration-per-class", "0"],
            "argument --calibration-per-class: '0' is not right; give a whole number from 1 up",
        ),
    ],
)
def test_wrong_usage(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["model.keras", "--data", "d", "--out", "o", *words])
    assert end.value.code == 2
    assert capsys.readouterr().err.endswith(f"error: {sentence}\n")
