from pathlib import Path

import numpy as np
import pytest

from edge_fer.errors import DataError
from edge_fer_train.data.dataset import VOTED, Dataset, Split
from edge_fer_train.data.votes import add_votes, soft_targets

PLUS_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def dataset(names: list[str]) -> Dataset:
    n = len(names)
    split = Split(np.zeros((n, 4, 4), np.uint8), np.zeros(n, np.int64), names)
    return Dataset(("angry", "happy", "neutral"), {"train": split})


def test_votes_are_joined_by_file_name(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text(
        "filename,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_a_face,duplicate_group\n"
        "train/angry/2.jpg,4,0,0,1,3,2,0,0,0,0,0\n"
        "train/angry/1.jpg,0,10,0,0,0,0,0,0,0,0,0\n"
    )
    votes = add_votes(dataset(["train/angry/1.jpg", "train/angry/2.jpg", "train/angry/3.jpg"]), file).train.votes
    assert votes is not None
    assert dict(zip(VOTED, votes[1].tolist(), strict=True)) == pytest.approx(
        dict.fromkeys(VOTED, 0) | {"neutral": 0.4, "sad": 0.1, "angry": 0.3, "disgust": 0.2}
    )
    assert votes[0, VOTED.index("happy")] == 1
    assert not votes[2].any()


def test_the_crowds_own_table_is_joined_by_line(tmp_path: Path) -> None:
    file = tmp_path / "fer2013new.csv"
    file.write_text(f"{PLUS_HEADER}\nTraining,fer0.png,4,0,0,1,3,2,0,0,0,0\nTraining,,0,10,0,0,0,0,0,0,0,0\n")
    votes = add_votes(dataset(["fer2013.csv:3", "fer2013.csv:2"]), file).train.votes
    assert votes is not None
    assert votes[0, VOTED.index("happy")] == 1
    assert votes[1, VOTED.index("neutral")] == pytest.approx(0.4)


def test_soft_targets_count_only_the_data_sets_classes() -> None:
    votes = np.zeros((2, len(VOTED)), np.float32)
    votes[0, [VOTED.index("neutral"), VOTED.index("angry"), VOTED.index("fear")]] = 0.4, 0.4, 0.2
    split = Split(np.zeros((2, 4, 4), np.uint8), np.array([0, 1]), ["a", "b"], votes)
    targets = soft_targets(split, ("angry", "happy", "neutral"), 0.5)
    assert targets == pytest.approx(np.array([[0.75, 0, 0.25], [0, 1, 0]]))
    assert soft_targets(split, ("angry", "happy", "neutral"), 0).tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_foreign_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text("filename,neutral\na,1\n")
    with pytest.raises(DataError, match=r"votes\.csv:1: no column for happy, surprise"):
        add_votes(dataset(["a"]), file)
    file.write_text(f"{PLUS_HEADER}\nTraining,other.png,4,0,0,1,3,2,0,0,0,0\n")
    with pytest.raises(DataError, match="has votes for 0 of 2 pictures"):
        add_votes(dataset(["a.png", "b.png"]), file)
    file.write_text(f"{PLUS_HEADER}\nTraining,a.png,4,0,0,1,x,2,0,0,0,0\n")
    with pytest.raises(DataError, match=r"votes\.csv:2: votes are not all numbers"):
        add_votes(dataset(["a.png"]), file)
    with pytest.raises(DataError, match="no such file of votes"):
        add_votes(dataset(["a.png"]), tmp_path / "absent.csv")


def test_votes_by_file_name_are_not_taken_for_lines(tmp_path: Path) -> None:
    file = tmp_path / "votes.csv"
    file.write_text(f"filename,{','.join(VOTED)}\ntrain/angry/1.jpg,0,1,0,0,0,0,0,0\n")
    with pytest.raises(DataError, match="has votes for 0 of 1 pictures: is it the table of this data set"):
        add_votes(dataset(["fer2013.csv:2"]), file)
