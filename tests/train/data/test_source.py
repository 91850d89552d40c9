import csv
import logging
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from edge_fer.errors import DataError, DownloadError
from edge_fer.labelled import MOST_UNREADABLE
from edge_fer.records import LABELS
from edge_fer_train.data.source import DataOptions, load

USAGES = ("Training", "PublicTest", "PrivateTest")


def picture(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)


def as_text(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel()))


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_pictures(root: Path, folders: dict[str, int]) -> Path:
    """PNG files, which keep every pixel; picture i of a folder has the seed i + 100 * number of the folder."""
    for number, (folder, count) in enumerate(folders.items()):
        (root / folder).mkdir(parents=True)
        for i in range(count):
            cv2.imwrite(str(root / folder / f"{i:02}.png"), picture(100 * number + i))
    return root


def fer2013_rows() -> list[list[object]]:
    return [[label, as_text(picture(10 * u + label)), usage] for u, usage in enumerate(USAGES) for label in range(7)]


@pytest.fixture
def options(tmp_path: Path) -> DataOptions:
    return DataOptions(cache=tmp_path / "cache")


def test_fer2013_csv(tmp_path: Path, options: DataOptions) -> None:
    file = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], fer2013_rows())
    data = load(str(file), options, 48)
    assert data.classes == LABELS
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 7, "validation": 7, "test": 7}
    assert np.array_equal(data.splits["test"].images[3], picture(23))
    assert data.train.labels.tolist() == list(range(7))
    assert data.train.names[0] == "fer2013.csv:2"


def test_the_challenges_csv_with_spaces_in_its_header(tmp_path: Path, options: DataOptions) -> None:
    rows = [[label, usage, pixels] for label, pixels, usage in fer2013_rows()]
    file = write_csv(tmp_path / "icml_face_data.csv", ["emotion", " Usage", " pixels"], rows)
    assert len(load(str(file), options, 48).validation) == 7


def test_kaggle_train_csv_beside_test_csv(tmp_path: Path, options: DataOptions) -> None:
    rows: list[list[object]] = [[i % 3, as_text(picture(i))] for i in range(30)]
    write_csv(tmp_path / "train.csv", ["emotion", "pixels"], rows)
    write_csv(tmp_path / "test.csv", ["pixels"], [[as_text(picture(99))]])
    data = load(str(tmp_path), options.model_copy(update={"validation_share": 0.2}), 48)
    assert data.classes == ("angry", "disgust", "fear")
    assert np.bincount(data.validation.labels).tolist() == [2, 2, 2]
    assert len(data.train) == 24


def test_ckextended_without_neutral(tmp_path: Path, options: DataOptions) -> None:
    labels = [0, 1, 2, 3, 4, 5, 7]
    rows = [[label, as_text(picture(10 * u + label)), usage] for u, usage in enumerate(USAGES) for label in labels]
    data = load(str(write_csv(tmp_path / "ckextended.csv", ["emotion", "pixels", "Usage"], rows)), options, 48)
    assert data.classes == (*LABELS[:6], "contempt")
    assert data.train.labels.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_folders_by_split(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(
        tmp_path / "d", {"train/happy": 3, "train/anger": 2, "validation/happy": 1, "validation/anger": 1}
    )
    data = load(str(root), options, 48)
    assert data.classes == ("angry", "happy")
    assert np.array_equal(data.train.images[0], picture(100))
    assert data.train.names[:2] == ["train/anger/00.png", "train/anger/01.png"]


def test_six_class_folders_keep_testing_for_the_end(tmp_path: Path, options: DataOptions) -> None:
    six = ["angry", "fear", "happy", "neutral", "sad", "surprise"]
    folders = {f"Training/Training/{c}": 10 for c in six} | {f"Testing/Testing/{c}": 2 for c in six}
    data = load(str(write_pictures(tmp_path / "d", folders)), options, 48)
    assert data.classes == ("angry", "fear", "happy", "sad", "surprise", "neutral")
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 54, "validation": 6, "test": 12}


def test_plain_folders_split_the_same_for_the_same_seed(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"happy": 20, "sad": 10})
    first, again = load(str(root), options, 48), load(str(root), options, 48)
    other = load(str(root), options.model_copy(update={"split_seed": 1}), 48)
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    assert np.bincount(first.validation.labels).tolist() == [2, 1]


def test_no_subject_stands_on_both_sides(tmp_path: Path, options: DataOptions) -> None:
    for s in range(12):
        for label in ("happy", "sad"):
            for i in range(2):
                file = tmp_path / "d" / label / f"S{s:03}_{i:03}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), picture(100 * s + 10 * i + len(label)))
    data = load(str(tmp_path / "d"), options.model_copy(update={"validation_share": 0.25}), 48)
    subjects = [{name.split("/")[1][:4] for name in split.names} for split in (data.train, data.validation)]
    assert not subjects[0] & subjects[1]
    assert [len(s) for s in subjects] == [9, 3]


def test_zip_as_it_is_equals_the_folder(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(
        tmp_path / "d", {"train/happy": 3, "train/sad": 2, "validation/happy": 1, "validation/sad": 1}
    )
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as archive:
        for file in root.rglob("*.png"):
            archive.write(file, file.relative_to(root))
    assert load(str(tmp_path / "d.zip"), options, 48).fingerprint() == load(str(root), options, 48).fingerprint()


def test_zip_of_a_csv(tmp_path: Path, options: DataOptions) -> None:
    file = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], fer2013_rows())
    with zipfile.ZipFile(tmp_path / "fer2013.zip", "w") as archive:
        archive.write(file, "fer2013/fer2013.csv")
    data = load(str(tmp_path / "fer2013.zip"), options, 48)
    assert data.fingerprint() == load(str(file), options, 48).fingerprint()


def test_pictures_are_scaled(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"train/a": 1, "validation/a": 1})
    assert load(str(root), options, 24).train.images.shape == (1, 24, 24)


def test_a_second_run_maps_the_decoded_pictures(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"train/a": 2, "validation/a": 1})
    first, again = load(str(root), options, 48), load(str(root), options, 48)
    assert isinstance(again.train.images, np.memmap)
    assert again.fingerprint() == first.fingerprint()
    cv2.imwrite(str(root / "train/a/02.png"), picture(7))
    assert len(load(str(root), options, 48).train) == 3


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ([7, as_text(picture(0)), "Training"], "emotion is '7', not a number from 0 to 6"),
        (["x", as_text(picture(0)), "Training"], "emotion is 'x', not a number from 0 to 6"),
        ([0, "1 2 3", "Training"], "3 pixels make no square picture"),
        ([0, "1 2 3 256", "Training"], "pixels from 1 to 256 are not within 0 to 255"),
        ([0, "1 2 3 x", "Training"], "pixels are not all whole numbers"),
        ([0, as_text(picture(0)), "Public"], "Usage is 'Public', not Training, PublicTest or PrivateTest"),
    ],
)
def test_a_bad_row_is_named_with_its_line(
    tmp_path: Path, options: DataOptions, caplog: pytest.LogCaptureFixture, row: list[object], what: str
) -> None:
    rows = fer2013_rows()
    rows.insert(2, row)
    file = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], rows)
    with pytest.raises(DataError, match="1 of 22 entries cannot be used") as error:
        load(str(file), options, 48)
    assert f"fer2013.csv:4: {what}" in str(error.value)
    with caplog.at_level(logging.WARNING):
        data = load(str(file), options.model_copy(update={"problem_limit": 0.1}), 48)
    assert f"left out: fer2013.csv:4: {what}" in caplog.text
    assert len(data.train) == 7


def test_an_unreadable_picture_is_named(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"train/a": 2, "validation/a": 1})
    (root / "train/a/bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"train/a/bad\.jpg: no readable picture"):
        load(str(root), options, 48)


def test_an_empty_class_is_named(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"train/happy": 2, "train/sad": 1, "validation/happy": 1})
    with pytest.raises(DataError, match="split validation has no picture of sad"):
        load(str(root), options, 48)


def test_excluded_paths_are_left_out(tmp_path: Path, options: DataOptions) -> None:
    root = write_pictures(tmp_path / "d", {"train/a": 3, "validation/a": 1})
    (tmp_path / "exclude.txt").write_text("train/a/01.png\n")
    data = load(str(root), options.model_copy(update={"exclude": tmp_path / "exclude.txt"}), 48)
    assert data.train.names == ["train/a/00.png", "train/a/02.png"]
    with pytest.raises(DataError, match="no such file of paths"):
        load(str(root), options.model_copy(update={"exclude": tmp_path / "absent.txt"}), 48)
    (tmp_path / "exclude.txt").write_text("elsewhere/a/01.png\n")
    with pytest.raises(DataError, match="none of its 1 paths is in"):
        load(str(root), options.model_copy(update={"exclude": tmp_path / "exclude.txt"}), 48)
    file = write_csv(tmp_path / "fer2013.csv", ["emotion", "pixels", "Usage"], fer2013_rows())
    with pytest.raises(DataError, match=r"names pictures in folders; fer2013\.csv has rows"):
        load(str(file), options.model_copy(update={"exclude": tmp_path / "exclude.txt"}), 48)


def test_duplicates_across_splits_are_reported_and_dropped(
    tmp_path: Path, options: DataOptions, caplog: pytest.LogCaptureFixture
) -> None:
    root = write_pictures(tmp_path / "d", {"train/a": 3, "validation/a": 2})
    cv2.imwrite(str(root / "validation/a/copy.png"), picture(1))
    assert len(load(str(root), options, 48).train) == 3
    assert "1 training pictures stand in another split as well, such as train/a/01.png" in caplog.text
    data = load(str(root), options.model_copy(update={"drop_duplicates": True}), 48)
    assert data.train.names == ["train/a/00.png", "train/a/02.png"]


def test_twins_are_not_parted_by_the_split_that_is_made(
    tmp_path: Path, options: DataOptions, caplog: pytest.LogCaptureFixture
) -> None:
    """Every picture is there twice, under two names."""
    root = write_pictures(tmp_path / "faces", {"happy": 20, "sad": 20})
    for path in list(root.rglob("*.png")):
        (path.parent / f"again-{path.name}").write_bytes(path.read_bytes())
    data = load(str(root), options, 48)
    sides = [{image.tobytes() for image in data.splits[name].images} for name in ("train", "validation")]
    parted = len(sides[0] & sides[1])
    assert parted > 0
    assert f"{parted} training pictures stand in another split as well" in caplog.text
    data = load(str(root), options.model_copy(update={"drop_duplicates": True}), 48)
    kept, held = ({image.tobytes() for image in data.splits[name].images} for name in ("train", "validation"))
    assert not kept & held
    assert len(data.train) == 72 - parted


def test_subjects_that_only_some_names_tell(
    tmp_path: Path, options: DataOptions, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "faces"
    for label in ("happy", "sad"):
        (root / label).mkdir(parents=True)
        for i in range(10):
            cv2.imwrite(str(root / label / f"S{i:03}_1.png"), picture(i + 10 * len(label)))
    cv2.imwrite(str(root / "sad" / "stray.png"), picture(99))
    caplog.set_level(logging.INFO)
    load(str(root), options, 48)
    assert "stratified by class, not by subject, which 20 file names tell but sad/stray.png does not" in caplog.text


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [("S_", "has no group: put the subject in parentheses"), ("(S", "is no regular expression")],
)
def test_patterns_that_tell_no_subject(pattern: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        DataOptions(subject_pattern=pattern)


def test_nothing_is_guessed(tmp_path: Path, options: DataOptions) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load(str(tmp_path / "absent"), options, 48)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="neither pictures in folders"):
        load(str(tmp_path / "empty"), options, 48)
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(DataError, match="neither a folder, a CSV file nor a zip archive"):
        load(str(tmp_path / "text.txt"), options, 48)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"binary\.csv: no UTF-8 text"):
        load(str(tmp_path / "binary.csv"), options, 48)
    root = write_pictures(tmp_path / "d", {"train/a": 1, "validation/a": 1})
    file = write_csv(root / "fer2013.csv", ["emotion", "pixels", "Usage"], fer2013_rows())
    with pytest.raises(DataError, match="choose one with --format"):
        load(str(root), options, 48)
    assert len(load(str(root), options.model_copy(update={"format": "folders"}), 48).train) == 1
    assert len(load(str(root), options.model_copy(update={"format": "fer2013"}), 48).train) == 7
    write_csv(root / "second.csv", ["emotion", "pixels"], [])
    with pytest.raises(DataError, match=r"fer2013\.csv and second\.csv: name one"):
        load(str(root), options.model_copy(update={"format": "fer2013"}), 48)
    write_csv(file, ["emotion", "pixels"], [])
    with pytest.raises(DataError, match=r"fer2013\.csv:1: no column usage"):
        load(str(file), options.model_copy(update={"format": "fer2013"}), 48)


def test_kaggle_says_what_is_wrong(options: DataOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("KAGGLE_USERNAME", "nobody")
    monkeypatch.setenv("KAGGLE_KEY", "none")
    with pytest.raises(DownloadError, match="kaggle:owner/name: Kaggle cannot be reached"):
        load("kaggle:owner/name", options, 48)
    with pytest.raises(DownloadError, match="a handle is owner/name"):
        load("kaggle:nonsense", options, 48)


@pytest.mark.data
def test_fer2013_from_its_zip(options: DataOptions) -> None:
    folder = Path(__file__).parents[4] / "shared" / "data" / "fer2013"
    archive = folder / "fer2013-train-validation.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is not here")
    data = load(str(archive), options.model_copy(update={"exclude": folder / "exclude_from_training.txt"}), 48)
    assert data.classes == LABELS
    assert (len(data.train), len(data.validation)) == (27985, 3589)


def test_as_much_may_be_damaged_as_where_a_network_is_judged() -> None:
    assert DataOptions().problem_limit == MOST_UNREADABLE
