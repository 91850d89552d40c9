"""Finds labelled pictures of faces: folders named after emotions, or rows of a CSV file.

The pictures are face crops already; each is read when it is asked for, so a long list costs little.
"""

import csv
import logging
import math
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

import cv2
import numpy as np

from edge_fer.errors import DataError
from edge_fer.records import LABELS, GrayImage

_log = logging.getLogger(__name__)

PICTURES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})

SPLITS: Final = {
    "train": frozenset({"train", "training"}),
    "validation": frozenset({"validation", "valid", "val", "publictest"}),
    "test": frozenset({"test", "testing", "privatetest"}),
}
"""Splits, and what their folders or the values in a CSV's column Usage are called, in lower case."""

NUMBERED: Final = (*LABELS, "contempt")
"""What the numbers in a CSV's column emotion mean: FER2013's seven, and CK+'s eighth."""

MOST_UNREADABLE: Final = 0.01
"""Share of a list that may be damaged: the trainer's default (a test says so; its --help loads nothing heavy)."""

_SYNONYMS: Final = {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}

_Folder: TypeAlias = Path | zipfile.Path


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """A picture of one face and the emotion it shows.

    Attributes:
        source: its path below the folder, or line of the CSV file, for messages and lists.
        label: the emotion, as `canonical_class` spells it.
        read: decodes it: gray uint8 (height, width); raises DataError when that is impossible.
    """

    source: str
    label: str
    read: Callable[[], GrayImage]


def canonical_class(name: str) -> str:
    """A class name as the project spells it: lower case, `happiness` as `happy` and so on."""
    name = name.strip().lower()
    return _SYNONYMS.get(name, name)


def has_splits(source: Path) -> bool:
    """Whether a folder, zip archive or CSV file says which split a picture belongs to.

    Raises:
        DataError: there is no such source, or it cannot be read.
    """
    root = _root(source)
    if root is not None:
        return bool(_split_folders(root))
    with _rows(source) as rows:
        return "usage" in {name.strip().lower() for name in rows.fieldnames or ()}


def find_labelled(source: Path, split: str | None = None) -> list[LabelledPicture]:
    """List the labelled pictures of a data set, in a stable order.

    Args:
        source: a folder or zip archive of `<label>/*.jpg`, or of `<split>/<label>/*.jpg`; or a CSV file with the
            columns emotion, pixels and perhaps Usage.
        split: train, validation or test; None where the source has no splits.

    Raises:
        DataError: there is no such source or split, or nothing labelled in it.
    """
    root = _root(source)
    return list(_in_csv(source, split)) if root is None else _in_folders(root, source, split)


def readable(pictures: Sequence[LabelledPicture], source: Path) -> list[LabelledPicture]:
    """Leave out what cannot be read, each with a line in the log; every picture is decoded for it.

    Args:
        pictures: as `find_labelled` lists them.
        source: what they come from, for messages.

    Raises:
        DataError: it is more than one in a hundred, or all there is.
    """
    kept, problems = [], []
    for picture in pictures:
        try:
            picture.read()
        except DataError as error:
            problems.append(error)
        else:
            kept.append(picture)
    if len(problems) > MOST_UNREADABLE * len(pictures):
        raise DataError(
            f"{problems[0]} ({source}: {len(problems)} of {len(pictures)} pictures cannot be read; "
            "one in a hundred would be left out)"
        )
    for problem in problems:
        _log.warning("Left out: %s", problem)
    return kept


def _root(source: Path) -> _Folder | None:
    """The folder of a data set, in an archive or not; None for a CSV file."""
    if not source.exists():
        raise DataError(f"{source}: there is no such folder or file")
    if source.is_dir():
        return source
    if source.suffix.lower() == ".csv":
        return None
    if zipfile.is_zipfile(source):
        return zipfile.Path(source)
    raise DataError(f"{source}: neither a folder, nor a zip archive, nor a CSV file")


def _in_folders(root: _Folder, shown: Path, split: str | None) -> list[LabelledPicture]:
    splits = _split_folders(root)
    if splits:
        if split not in splits:
            known = ", ".join(splits)
            if split:
                raise DataError(f"{shown}: it has no split {split}; it has {known}")
            raise DataError(f"{shown}: it has several splits; choose one of {known} with --split")
        root = splits[split]
    elif split is not None:
        raise DataError(f"{shown}: it has no folder for the split {split}: expected {split}/<label>/*.jpg")
    found = []
    for folder in _children(root):
        for picture in _pictures(folder) if folder.is_dir() else ():
            path = f"{folder.name}/{picture.name}"
            found.append(LabelledPicture(path, canonical_class(folder.name), partial(_decode, picture)))
    if not found:
        raise DataError(f"{shown}: no pictures in folders named after emotions: expected <label>/*.jpg")
    return found


def _split_folders(root: _Folder) -> dict[str, _Folder]:
    """The folders of splits; a folder in a folder of the same name counts once, as in Training/Training."""
    found = {}
    for folder in _children(root):
        for split, names in SPLITS.items():
            if folder.name.lower() in names and folder.is_dir():
                inner = folder / folder.name
                found[split] = inner if inner.is_dir() else folder
    return found


def _children(folder: _Folder) -> list[_Folder]:
    """What is in a folder, hidden files and macOS' resource forks left out."""
    seen = (child for child in folder.iterdir() if not child.name.startswith((".", "__MACOSX")))
    return sorted(seen, key=lambda child: child.name)


def _pictures(folder: _Folder) -> list[_Folder]:
    return [child for child in _children(folder) if Path(child.name).suffix.lower() in PICTURES]


def _decode(picture: _Folder) -> GrayImage:
    try:
        content = np.frombuffer(picture.read_bytes(), np.uint8)
    except zipfile.BadZipFile as error:
        raise DataError(f"{picture}: damaged in the archive: {error}") from error
    pixels = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
    if pixels is None:
        raise DataError(f"{picture}: not a picture that can be read")
    return pixels.astype(np.uint8, copy=False)


@contextmanager
def _rows(path: Path) -> Iterator["csv.DictReader[str]"]:
    """The rows of a CSV file; what cannot be decoded is told when it is come to."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))  # one field holds a whole picture
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            yield csv.DictReader(file)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: not in UTF-8: {error.reason} at byte {error.start}") from error


def _in_csv(path: Path, split: str | None) -> Iterator[LabelledPicture]:
    found = False
    with _rows(path) as rows:
        columns = {name.strip().lower(): name for name in rows.fieldnames or ()}
        missing = {"emotion", "pixels"} - columns.keys()
        if missing:
            raise DataError(f"{path}:1: there is no column {' and no column '.join(sorted(missing))}")
        usage = columns.get("usage")
        if (usage is None) != (split is None):
            hint = "has a column Usage: choose with --split" if usage else f"has no column Usage to find {split} by"
            raise DataError(f"{path}:1: it {hint}")
        for row in rows:
            where = f"{path.name}:{rows.line_num}"
            if None in row.values():
                raise DataError(f"{where}: the row has fewer fields than the header has columns")
            if usage and split and row[usage].strip().lower() not in SPLITS[split]:
                continue
            found = True
            label = _named(row[columns["emotion"]].strip(), where)
            yield LabelledPicture(where, label, partial(_parse, row[columns["pixels"]], where))
    if not found:
        raise DataError(f"{path}: it has no row for the split {split}" if split else f"{path}: it has no rows")


def _named(emotion: str, where: str) -> str:
    if not emotion.isdecimal():
        return canonical_class(emotion)
    if int(emotion) >= len(NUMBERED):
        raise DataError(f"{where}: emotion is {emotion}, but the numbers go from 0 to {len(NUMBERED) - 1}")
    return NUMBERED[int(emotion)]


def _parse(pixels: str, where: str) -> GrayImage:
    """Turn "70 80 82 …" into a square picture."""
    try:
        values = np.array(pixels.split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: the pixels are not all whole numbers from 0 to 255") from error
    side = math.isqrt(values.size)
    if side == 0 or side * side != values.size:
        raise DataError(f"{where}: {values.size} pixels make no square picture")
    if values.min() < 0 or values.max() > 255:
        raise DataError(f"{where}: pixels go from {values.min()} to {values.max()}, but gray values from 0 to 255")
    return values.astype(np.uint8).reshape(side, side)
