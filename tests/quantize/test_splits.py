from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.errors import DataError
from edge_fer.labelled import LabelledPicture
from edge_fer_quantize.splits import find_splits, without

CSV = "emotion,pixels\n" + "".join(f"{i % 3},{i}\n" for i in range(9))


def sources(pictures: list[LabelledPicture]) -> list[str]:
    return [one.source for one in pictures]


def test_the_datas_own_splits(faces: Path, tmp_path: Path) -> None:
    splits = find_splits(faces, tmp_path)
    assert (len(splits.train), len(splits.validation)) == (32, 16)


@pytest.mark.parametrize("above", ["", "train/", "Training/Training/", "set/train/"])
def test_what_the_trainer_set_apart(faces: Path, tmp_path: Path, above: str) -> None:
    """By its last two names, whatever folders the trainer found above them."""
    (tmp_path / "validation.txt").write_text(f"{above}happy/01.png\n{above}sad/02.png")
    splits = find_splits(faces / "train", tmp_path)
    assert sources(splits.validation) == ["happy/01.png", "sad/02.png"]
    assert len(splits.train) == 30


def test_where_there_are_but_train_and_test(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(faces / "train")
    (tmp_path / "data" / "test").symlink_to(faces / "validation")
    (tmp_path / "validation.txt").write_text("train/sad/02.png")
    splits = find_splits(tmp_path / "data", tmp_path)
    assert (sources(splits.validation), len(splits.train)) == (["sad/02.png"], 31)


def test_rows_that_were_set_apart(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(CSV)
    (tmp_path / "validation.txt").write_text("train.csv:3\ntrain.csv:7")
    splits = find_splits(tmp_path / "train.csv", tmp_path)
    assert sources(splits.validation) == ["train.csv:3", "train.csv:7"]
    assert len(splits.train) == 7


def test_other_data_than_the_run_was_trained_on(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "validation.txt").write_text("happy/01.png\nhappy/none.png")
    with pytest.raises(DataError, match=r"only 1 of the 2 validation pictures that .*validation\.txt names are in it"):
        find_splits(faces / "train", tmp_path)


@pytest.mark.parametrize("above", ["train", "Training/Training"])
def test_pictures_are_left_out_by_their_training_paths_alone(faces: Path, tmp_path: Path, above: str) -> None:
    listing = tmp_path / "exclude.txt"
    listing.write_text(f"{above}/happy/00.png\nvalidation/sad/01.png\n")
    train = find_splits(faces).train
    left = sources(without(train, listing))
    assert set(sources(train)) - set(left) == {"happy/00.png"}
    assert without(train, None) == train
    listing.write_text("validation/sad/01.png\n")
    with pytest.raises(DataError, match="none of its 1 paths is a training picture"):
        without(train, listing)


@pytest.mark.parametrize("set_apart", [True, False])
def test_a_damaged_picture_is_left_out_of_either_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, set_apart: bool
) -> None:
    """As the trainer left it out."""
    rows = [f"{i % 3},{i % 256},{'PublicTest' if i % 2 else 'Training'}" for i in range(400)]
    rows[10] = rows[11] = "0,1 2,Training"
    rows[11] = rows[11].replace("Training", "PublicTest")
    header = "emotion,pixels,Usage"
    if set_apart:
        rows = [row.rpartition(",")[0] for row in rows]
        header = "emotion,pixels"
        (tmp_path / "validation.txt").write_text("\n".join(f"set.csv:{2 + i}" for i in range(1, 400, 2)))
    (tmp_path / "set.csv").write_text("\n".join([header, *rows]))
    splits = find_splits(tmp_path / "set.csv", tmp_path)
    assert (len(splits.train), len(splits.validation)) == (199, 199)
    assert caplog.messages == [f"Left out: set.csv:{line}: 2 pixels make no square picture" for line in (12, 13)]


def test_what_is_left_out_by_name_need_not_be_readable(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for split in ("train", "validation"):
        folder = tmp_path / split / "happy"
        folder.mkdir(parents=True)
        for name in "abc":
            cv2.imwrite(str(folder / f"{name}.png"), np.zeros((4, 4), np.uint8))
    (tmp_path / "train" / "happy" / "b.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="1 of 3 pictures cannot be read"):
        find_splits(tmp_path)
    listing = tmp_path / "exclude.txt"
    listing.write_text("train/happy/b.png")
    splits = find_splits(tmp_path, exclude=listing)
    assert sources(splits.train) == ["happy/a.png", "happy/c.png"]
    assert len(splits.validation) == 3
    assert not caplog.messages
