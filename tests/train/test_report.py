import json
import re
import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
import pytest

from edge_fer_train.__main__ import main
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.data.options import DataOptions
from edge_fer_train.plots import save_curves
from edge_fer_train.recipe import Recipe
from edge_fer_train.report import write_report


def says_its_brightest_third(side: int = 24) -> keras.Model:
    """A network that is always right about the bands, and always equally sure."""
    inputs = keras.Input((side, side, 1))
    x = keras.layers.AveragePooling2D((side // 3, side))(inputs)
    return keras.Model(inputs, keras.layers.Rescaling(20.0)(keras.layers.Reshape((3,))(x)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, bands: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("run")
    history = {"epoch": [1, 2], "stage": [1, 1], "accuracy": [0.3, 0.6], "loss": [1.2, 1.0]}
    judged = {"val_accuracy": [0.5, 0.4], "val_macro_f1": [0.5, 0.4], "val_loss": [1.1, 1.3]}
    pd.DataFrame(history | judged).to_csv(folder / "history.csv", index=False)
    labels = bands.validation.labels.copy()
    labels[:3] = [1, 2, 0]  # three pictures of the test split bear a wrong label
    test = bands.with_split("test", type(bands.validation)(bands.validation.images, labels, bands.validation.names))
    recipe = Recipe(size=24, epochs=2)
    write_report(
        folder, says_its_brightest_third(),
        recipe=recipe, dataset=test, source="/home/somebody/bands.zip", options=DataOptions(),
    )  # fmt: skip
    says_its_brightest_third().save(folder / "model.keras")
    return folder


def test_the_account_of_a_run(run: Path, bands: Dataset) -> None:
    account = json.loads((run / "run.json").read_text())
    assert account["labels"] == ["happy", "sad", "neutral"]
    assert account["input_size"] == [24, 24]
    assert account["best_epoch"] == 1
    assert account["recipe"] == Recipe(size=24, epochs=2).model_dump(mode="json")
    assert account["scores"]["validation"]["accuracy"] == 1
    assert account["scores"]["test"]["accuracy"] == 0.9
    assert account["data"]["source"] == "bands.zip"
    assert account["data"]["pictures"] == {"train": 96, "validation": 30, "test": 30}
    assert account["versions"]["keras"] == keras.__version__
    assert "/home/somebody" not in (run / "run.json").read_text()


def test_without_a_monitor_the_last_epoch_is_the_one_that_was_kept(run: Path, bands: Dataset, tmp_path: Path) -> None:
    shutil.copy(run / "history.csv", tmp_path)
    recipe = Recipe(size=24, epochs=2, monitor="none")
    write_report(
        tmp_path, says_its_brightest_third(), recipe=recipe, dataset=bands, source="bands.zip", options=DataOptions()
    )
    assert json.loads((tmp_path / "run.json").read_text())["best_epoch"] == 2


def test_the_curves_name_the_epoch_that_was_kept_not_the_most_accurate(tmp_path: Path) -> None:
    history = {"stage": [1, 1, 1], "accuracy": [0.3, 0.6, 0.7], "loss": [1.2, 1.0, 0.9]}
    judged = {"val_accuracy": [0.5, 0.4, 0.45], "val_loss": [1.1, 1.0, 1.3]}
    save_curves(pd.DataFrame(history | judged), tmp_path / "curves.svg", kept=3)
    assert "<!-- kept: 45.0% in epoch 3 -->" in (tmp_path / "curves.svg").read_text()


def test_wrong_answers_are_listed_the_most_confident_first(run: Path) -> None:
    wrong = pd.read_csv(run / "misclassified-test.csv")
    assert sorted(wrong["picture"]) == ["happy/000.png", "neutral/002.png", "sad/001.png"]
    assert (wrong["said"] == wrong["picture"].str.split("/").str[0]).all()
    assert wrong["confidence"].is_monotonic_decreasing
    assert pd.read_csv(run / "misclassified-validation.csv").empty


def test_the_page_needs_no_other_file(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 8
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<strong>90.00%</strong> of 30 right" in page
    assert "epochs: 2" in page


def test_pictures_show_something(run: Path) -> None:
    for name in ("curves", "augmentation", "confusion-test", "reliability-test", "mistakes-test"):
        picture = cv2.imread(str(run / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        assert min(picture.shape) > 150
        assert picture.std() > 10, name


def test_a_submission_has_a_row_per_picture(run: Path, tmp_path: Path, bands: Dataset) -> None:
    pixels = [" ".join(map(str, image.ravel())) for image in bands.validation.images[:5]]
    (tmp_path / "test.csv").write_text("pixels\n" + "\n".join(pixels) + "\n")
    out = tmp_path / "submission.csv"
    assert main(["predict", str(run / "model.keras"), "--data", str(tmp_path / "test.csv"), "--out", str(out)]) == 0
    table = pd.read_csv(out)
    assert table["id"].tolist() == [1, 2, 3, 4, 5]
    assert table["label"].tolist() == ["happy", "sad", "neutral", "happy", "sad"]
    assert table["emotion"].tolist() == [3, 4, 6, 3, 4]
    assert table["confidence"].between(0.5, 1).all()


def test_a_row_without_a_picture_gets_no_submission(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "test.csv").write_text("pixels\n1 2 3\n")
    out = tmp_path / "submission.csv"
    assert main(["predict", str(run / "model.keras"), "--data", str(tmp_path / "test.csv"), "--out", str(out)]) == 1
    assert capsys.readouterr().err == "edge-fer-train: test.csv:2: 3 pixels make no square picture.\n"
    assert not out.exists()


def test_a_folder_of_pictures_is_classified_too(run: Path, tmp_path: Path, bands: Dataset) -> None:
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        cv2.imwrite(str(tmp_path / "pictures" / f"{i}.png"), np.asarray(bands.validation.images[i]))
    out = tmp_path / "out.csv"
    assert main(["predict", str(run / "model.keras"), "--data", str(tmp_path / "pictures"), "--out", str(out)]) == 0
    assert pd.read_csv(out)["id"].tolist() == ["0.png", "1.png", "2.png"]
