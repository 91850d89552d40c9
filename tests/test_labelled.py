import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.errors import DataError
from edge_fer.labelled import find_labelled, has_splits, readable


@pytest.fixture
def picture(tmp_path: Path) -> Callable[[str, int], None]:
    """Writes a 4 x 6 picture of one gray value below the test's folder."""

    def write(path: str, gray: int) -> None:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(file), np.full((4, 6), gray, np.uint8))

    return write


def listing(source: Path, split: str | None = None) -> list[tuple[str, str, int]]:
    """Source, label and first gray value of everything found."""
    return [(one.source, one.label, int(one.read()[0, 0])) for one in find_labelled(source, split)]


def refusal(source: Path, split: str | None = None) -> str:
    with pytest.raises(DataError) as error:
        listing(source, split)
    return str(error.value).replace(f"{source.parent}/", "")


def test_folders_are_labels(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("Sad/2.png", 20)
    picture("happy/b.png", 11)
    picture("happy/a.PNG", 10)
    (tmp_path / "happy" / "notes.txt").touch()
    (tmp_path / "readme.md").touch()
    assert listing(tmp_path) == [("Sad/2.png", "sad", 20), ("happy/a.PNG", "happy", 10), ("happy/b.png", "happy", 11)]


def test_a_picture_is_gray_uint8(tmp_path: Path) -> None:
    (tmp_path / "happy").mkdir()
    cv2.imwrite(str(tmp_path / "happy" / "1.png"), np.full((4, 6, 3), (0, 0, 255), np.uint8))
    pixels = find_labelled(tmp_path)[0].read()
    assert pixels.dtype == np.uint8
    assert pixels.shape == (4, 6)
    assert int(pixels[0, 0]) == 76  # 0.299 of 255


@pytest.mark.parametrize("inner", ["", "Training/"])
def test_the_folder_of_a_split(tmp_path: Path, picture: Callable[[str, int], None], inner: str) -> None:
    picture(f"Training/{inner}happy/1.png", 1)
    picture("val/happy/2.png", 2)
    assert listing(tmp_path, "train") == [("happy/1.png", "happy", 1)]
    assert listing(tmp_path, "validation") == [("happy/2.png", "happy", 2)]
    no_test, several = refusal(tmp_path, "test"), refusal(tmp_path)
    assert no_test.endswith(": it has no split test; it has train, validation")
    assert several.endswith(": it has several splits; choose one of train, validation with --split")


def test_an_archive_is_read_as_a_folder(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("train/happy/1.png", 1)
    picture("validation/sad/2.png", 2)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted(tmp_path.rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
    assert listing(tmp_path / "set.zip", "validation") == [("sad/2.png", "sad", 2)]


def test_a_split_that_the_folder_does_not_have(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("happy/1.png", 1)
    assert refusal(tmp_path, "test").endswith(": it has no folder for the split test: expected test/<label>/*.jpg")


def test_a_folder_without_labels(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("1.png", 1)
    assert refusal(tmp_path).endswith(": no pictures in folders named after emotions: expected <label>/*.jpg")


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_broken_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "happy").mkdir()
    (tmp_path / "happy" / "1.png").write_bytes(content)
    assert refusal(tmp_path).endswith("happy/1.png: not a picture that can be read")


def test_a_source_that_is_not_there_or_of_no_kind(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone") == "gone: there is no such folder or file"
    (tmp_path / "set.rar").write_bytes(b"Rar!")
    assert refusal(tmp_path / "set.rar") == "set.rar: neither a folder, nor a zip archive, nor a CSV file"


def csv_file(folder: Path, text: str) -> Path:
    path = folder / "fer.csv"
    path.write_text(text)
    return path


def test_rows_of_a_csv_file(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "emotion,pixels\n3,1 2 3 4\nneutral,5 5 5 255\n")
    assert listing(path) == [("fer.csv:2", "happy", 1), ("fer.csv:3", "neutral", 5)]
    assert find_labelled(path)[1].read().tolist() == [[5, 5], [5, 255]]


def test_the_split_of_a_row(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "emotion,pixels,Usage\n0,1,Training\n1,2,PublicTest\n2,3,PrivateTest\n7,4,Training\n")
    assert listing(path, "train") == [("fer.csv:2", "angry", 1), ("fer.csv:5", "contempt", 4)]
    assert listing(path, "validation") == [("fer.csv:3", "disgust", 2)]
    assert listing(path, "test") == [("fer.csv:4", "fear", 3)]


@pytest.mark.parametrize(
    ("text", "split", "sentence"),
    [
        ("", None, "fer.csv:1: there is no column emotion and no column pixels"),
        ("emotion,usage\n", None, "fer.csv:1: there is no column pixels"),
        ("emotion,pixels\n", None, "fer.csv: it has no rows"),
        ("emotion,pixels\n0,1\n", "test", "fer.csv:1: it has no column Usage to find test by"),
        ("emotion,pixels,Usage\n0,1,Training\n", None, "fer.csv:1: it has a column Usage: choose with --split"),
        ("emotion,pixels,Usage\n0,1,Training\n", "test", "fer.csv: it has no row for the split test"),
        ("emotion,pixels\n9,1\n", None, "fer.csv:2: emotion is 9, but the numbers go from 0 to 7"),
        ("emotion,pixels\n0,1 2 3\n", None, "fer.csv:2: 3 pixels make no square picture"),
        ("emotion,pixels\n0,\n", None, "fer.csv:2: 0 pixels make no square picture"),
        ("emotion,pixels\n0,1 x 3 4\n", None, "fer.csv:2: the pixels are not all whole numbers from 0 to 255"),
        (f"emotion,pixels\n0,{10**20}\n", None, "fer.csv:2: the pixels are not all whole numbers from 0 to 255"),
        ("emotion,pixels\n0\n", None, "fer.csv:2: the row has fewer fields than the header has columns"),
        (
            "emotion,pixels\n0,1 2 3 256\n",
            None,
            "fer.csv:2: pixels go from 1 to 256, but gray values from 0 to 255",
        ),
    ],
)
def test_a_csv_file_that_cannot_be_used(tmp_path: Path, text: str, split: str | None, sentence: str) -> None:
    assert refusal(csv_file(tmp_path, text), split) == sentence


def test_a_csv_file_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "fer.csv"
    path.write_bytes("emotion,pixels\ntraurig,1\nfr\u00f6hlich,2\n".encode("latin-1"))
    assert refusal(path) == "fer.csv: not in UTF-8: invalid start byte at byte 27"


def test_a_picture_that_is_damaged_in_its_archive(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("happy/1.png", 1)
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.write(tmp_path / "happy" / "1.png", "happy/1.png")
    content = bytearray((tmp_path / "set.zip").read_bytes())
    content[60] ^= 0xFF
    (tmp_path / "set.zip").write_bytes(content)
    assert "happy/1.png: damaged in the archive: Bad CRC-32" in refusal(tmp_path / "set.zip")


def test_other_words_for_an_emotion(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("Happiness/1.png", 1)
    picture("sadness/2.png", 2)
    picture("sadness/._2.png", 3)  # what macOS leaves beside it
    assert [(label, gray) for _, label, gray in listing(tmp_path)] == [("happy", 1), ("sad", 2)]


def test_whether_a_source_has_splits(tmp_path: Path, picture: Callable[[str, int], None]) -> None:
    picture("plain/happy/1.png", 1)
    picture("parted/train/happy/1.png", 1)
    assert (has_splits(tmp_path / "plain"), has_splits(tmp_path / "parted")) == (False, True)
    assert not has_splits(csv_file(tmp_path, "emotion,pixels\n"))
    assert has_splits(csv_file(tmp_path, "emotion,pixels, Usage\n"))
    with pytest.raises(DataError, match="absent: there is no such folder or file"):
        has_splits(tmp_path / "absent")


@pytest.mark.parametrize("damaged", [1, 2, 3])
def test_one_in_a_hundred_may_be_unreadable(
    tmp_path: Path, picture: Callable[[str, int], None], caplog: pytest.LogCaptureFixture, damaged: int
) -> None:
    for number in range(200):
        picture(f"happy/{number:03}.png", number)
    for number in range(damaged):
        (tmp_path / f"happy/{number:03}.png").write_bytes(b"no picture")
    found = find_labelled(tmp_path)
    if damaged < 3:
        assert readable(found, tmp_path) == found[damaged:]
        assert [message.rpartition("/")[2] for message in caplog.messages] == [
            f"{number:03}.png: not a picture that can be read" for number in range(damaged)
        ]
    else:
        with pytest.raises(DataError) as error:
            readable(found, tmp_path)
        assert str(error.value) == (
            f"{tmp_path}/happy/000.png: not a picture that can be read ({tmp_path}: 3 of 200 pictures cannot be read; "
            "one in a hundred would be left out)"
        )
        assert not caplog.messages


def test_of_rows_likewise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = ["3,0 0 0 0"] * 100
    rows[41] = "3,0 0 0"
    (tmp_path / "set.csv").write_text("\n".join(["emotion,pixels", *rows]))
    kept = readable(find_labelled(tmp_path / "set.csv"), tmp_path / "set.csv")
    assert len(kept) == 99
    assert caplog.messages == ["Left out: set.csv:43: 3 pixels make no square picture"]
