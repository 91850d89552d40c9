import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from edge_fer.card import Card, VotesHead, read_card
from edge_fer.errors import DataError
from edge_fer.ferplus import EIGHT, Majorities, judge_by_votes, majority, protocol, read_majorities, relabel, spread
from edge_fer.labelled import LabelledPicture

HEADER = "filename,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_a_face,duplicate_group\n"


def picture(source: str, label: str = "happy") -> LabelledPicture:
    return LabelledPicture(source, label, lambda: np.zeros((48, 48), np.uint8))


@pytest.mark.parametrize(
    ("counts", "seen"),
    [
        ({"happy": 10}, "happy"),
        ({"happy": 4, "sad": 1, "fear": 1, "angry": 1, "neutral": 2, "unknown": 1}, "happy"),  # 4 of the 6 that count
        ({"happy": 5, "sad": 5}, "no majority"),
        ({"happy": 4, "sad": 3, "neutral": 3}, "no majority"),
        ({"unknown": 6, "happy": 4}, "unknown"),
        ({"not_a_face": 8, "neutral": 2}, "not_a_face"),
        ({"contempt": 6, "neutral": 4}, "contempt"),
        ({"happy": 1, "sad": 1}, "no majority"),
        ({}, "no majority"),
    ],
)
def test_more_than_half_must_agree_single_votes_left_out(counts: dict[str, float], seen: str) -> None:
    assert majority(counts) == seen


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    path = tmp_path / "votes.csv"
    path.write_text(
        HEADER + "train/happy/1.jpg,0,10,0,0,0,0,0,0,0,0,0\n"
        "validation/happy/1.jpg,0,2,8,0,0,0,0,0,0,0,0\n"
        "validation/sad/2.jpg,5,0,0,5,0,0,0,0,0,0,0\n"
        "validation/sad/3.jpg,0,0,0,1,0,0,0,9,0,0,0\n"
        "validation/fear/4.jpg,0,0,0,0,0,0,0,0,10,0,0\n"
    )
    return path


def test_pictures_are_found_in_their_split(votes: Path) -> None:
    pictures = [picture(f"{name}.jpg") for name in ("happy/1", "sad/2", "sad/3", "fear/4", "fear/5")]
    kept, left_out = relabel(pictures, read_majorities(votes), "validation")
    assert [(one.source, one.label) for one in kept] == [("happy/1.jpg", "surprise"), ("sad/3.jpg", "contempt")]
    assert left_out == {"no majority": 1, "no votes": 1, "unknown": 1}
    kept, left_out = relabel([picture("happy/1.jpg", "sad")], read_majorities(votes), "train")
    assert ([one.label for one in kept], left_out) == (["happy"], {})


def test_lines_of_the_csv_are_lines_of_the_votes(tmp_path: Path) -> None:
    path = tmp_path / "fer2013new.csv"
    header = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF\n"
    path.write_text(f"{header}Training,,10,0,0,0,0,0,0,0,0,0\nTraining,,0,0,0,0,9,0,1,0,0,0\nx,,0,0,0,0,0,0,0,0,0,10\n")
    kept, left_out = relabel(
        [picture("fer2013.csv:2"), picture("fer2013.csv:3"), picture("fer2013.csv:4")], read_majorities(path), "train"
    )
    assert [(one.source, one.label) for one in kept] == [("fer2013.csv:2", "neutral"), ("fer2013.csv:3", "angry")]
    assert left_out == {"not_a_face": 1}


def test_votes_by_file_name_are_not_taken_for_lines(votes: Path) -> None:
    with pytest.raises(DataError, match="only 0 of 1 pictures have votes: is it their table"):
        relabel([picture("fer2013.csv:2")], read_majorities(votes), "test")


def test_tables_that_are_none(tmp_path: Path, votes: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: cannot be read: No such file"):
        read_majorities(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("filename,happiness\na,1\n")
    with pytest.raises(
        DataError, match=r"other\.csv:1: no column for angry, contempt, disgust, fear, neutral, not_a_f"
    ):
        read_majorities(tmp_path / "other.csv")
    votes.write_text(HEADER + "train/happy/1.jpg,many,0,0,0,0,0,0,0,0,0,0\n")
    with pytest.raises(DataError, match=r"votes\.csv:2: votes are not all numbers"):
        read_majorities(votes)
    with pytest.raises(DataError, match="only 0 of 2 pictures have votes: is it their table"):
        relabel([picture("a/1.jpg"), picture("a/2.jpg")], read_majorities_of_nothing(tmp_path), None)


def read_majorities_of_nothing(folder: Path) -> Majorities:
    (folder / "empty.csv").write_text(HEADER)
    return read_majorities(folder / "empty.csv")


class Says:
    """A network that says what the pictures' gray value tells."""

    def logits(self, batch: NDArray[np.int8]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = np.zeros(7, np.float32)
        logits[int(batch[0, 0, 0, 0]) + 128] = 20
        return logits


def shown(label: str, said: int) -> LabelledPicture:
    return LabelledPicture("x", label, lambda: np.full((48, 48), said, np.uint8))


PICTURES = [shown("happy", 3), shown("contempt", 0), shown("neutral", 6)]


@pytest.fixture
def card() -> Card:
    return read_card(Path(__file__).parent / "fixtures" / "tiny.json").model_copy(update={"temperature": 1.0})


def test_an_emotion_without_a_label_is_judged_wrongly(card: Card) -> None:
    _, probabilities, scores = judge_by_votes(Says(), card, PICTURES)  # type: ignore[arg-type]  # no interpreter
    assert probabilities.shape == (3, 8)
    assert scores.accuracy == 2 / 3
    assert scores.nll < 1e-6  # of the two whose label the model has
    assert scores.per_class["contempt"].n == 1
    assert scores.confusion[7][0] == 1
    assert protocol(card).endswith("an emotion for which the model has no label counts as judged wrongly")


def test_a_head_for_votes_translates(card: Card) -> None:
    weights = np.eye(8, 7)
    weights[7, 0], weights[0, 0] = 1.0, 0.0  # what the network takes for anger is contempt
    head = VotesHead(labels=EIGHT, weights=tuple(map(tuple, weights.tolist())), biases=(0.0,) * 8, pictures=9)
    card = card.model_copy(update={"votes_head": head})
    _, _, scores = judge_by_votes(Says(), card, PICTURES)  # type: ignore[arg-type]
    assert scores.accuracy == 1
    assert "a linear map of the network's 7 logits, fitted on 9 training pictures" in protocol(card)


def test_a_head_that_does_not_fit_the_network_is_refused(card: Card) -> None:
    head = {"labels": ["a", "b"], "weights": [[1.0] * 7, [1.0] * 6], "biases": [0.0, 0.0], "pictures": 1}
    with pytest.raises(ValidationError, match="votes_head must have a row and a bias per label of its own"):
        Card.model_validate(card.model_dump() | {"votes_head": head})


def test_labels_may_stand_in_another_order() -> None:
    assert spread(np.array([[0.9, 0.1]]), ("sad", "happy"), ("happy", "sad", "fear")).tolist() == [[0.1, 0.9, 0.0]]
    with pytest.raises(DataError, match="the model says bored, which is none of happy, sad"):
        spread(np.array([[1.0]]), ("bored",), ("happy", "sad"))


@pytest.mark.data
def test_the_shipped_model_by_the_majority(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edge_fer.__main__ import main  # noqa: PLC0415

    fer = data / "fer2013"
    words = ["evaluate", str(fer / "fer2013-train-validation.zip"), "--split", "validation", "--votes"]
    assert main([*words, str(fer / "ferplus_votes.csv"), "--json", str(tmp_path / "scores.json")]) == 0
    report = json.loads((tmp_path / "scores.json").read_text())
    assert report["n"] == 3199
    assert report["left_out"] == {"no majority": 367, "no votes": 10, "unknown": 13}
    assert report["labels"] == list(EIGHT)
    assert report["accuracy"] >= 0.84
    assert capsys.readouterr().out.endswith("left out: 367 no majority, 10 no votes, 13 unknown\n")
    assert "Barsoum" in report["protocol"]
