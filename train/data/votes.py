"""FER+: how many of ten people saw which emotion in a picture of FER2013."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.labelled import canonical_class

from .dataset import VOTED, Dataset, Split

_BY_PATH, _BY_LINE = "filename", "image name"


def add_votes(dataset: Dataset, votes: Path) -> Dataset:
    """Join crowd votes to the pictures of every split.

    Votes with a column `filename` are joined by the picture's relative path alone. FER+'s own `fer2013new.csv` names
    no file of ours but has a line for each line of `fer2013.csv`, so line n there is line n here.

    Args:
        dataset: read from folders (paths) or from a CSV file (`file:line`).
        votes: a CSV file with a column per emotion.

    Raises:
        DataError: the file is no table of votes, or hardly any picture is found in it.
    """
    by_path, by_line = _read(votes)
    splits, found, total = {}, 0, 0
    for name, split in dataset.splits.items():
        shares = np.zeros((len(split), len(VOTED)), np.float32)
        for i, picture in enumerate(split.names):
            file, _, line = picture.rpartition(":")
            counts = by_line.get(int(line)) if file and line.isdecimal() else by_path.get(picture)
            if counts is not None and counts.sum() > 0:
                shares[i] = counts / counts.sum()
        found += int(np.count_nonzero(shares.sum(axis=1)))
        total += len(split)
        splits[name] = Split(split.images, split.labels, split.names, shares)
    if found < total / 2:
        raise DataError(f"{votes}: has votes for {found} of {total} pictures: is it the table of this data set?")
    return replace(dataset, splits=splits)


def soft_targets(split: Split, classes: tuple[str, ...], share: float) -> NDArray[np.float32]:
    """Labels as distributions, a share of each given over to the crowd.

    Votes for emotions that are no class of the data set do not count; a picture without votes keeps its label.

    Args:
        split: with or without votes.
        classes: names in the order of the labels.
        share: how much the crowd decides, 0 to 1.

    Returns:
        float32 (n, classes), rows sum to 1.
    """
    hard = np.eye(len(classes), dtype=np.float32)[split.labels]
    if split.votes is None or share == 0:
        return hard
    columns = [VOTED.index(c) if c in VOTED else len(VOTED) for c in classes]
    votes = np.pad(split.votes, ((0, 0), (0, 1)))[:, columns]
    total = votes.sum(axis=1, keepdims=True)
    crowd = np.divide(votes, total, out=hard.copy(), where=total > 0)
    soft: NDArray[np.float32] = (1 - share) * hard + share * crowd
    return soft


def _read(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[int, NDArray[np.float32]]]:
    """Counts of votes for `VOTED`, by relative path and by line number."""
    try:
        file = path.open(encoding="utf-8-sig", newline="")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of votes.") from None
    with file:
        reader = csv.reader(file)
        header = [canonical_class(name) for name in next(reader, [])]
        missing = [name for name in VOTED if name not in header]
        if missing:
            raise DataError(f"{path}:1: no column for {', '.join(missing)}: this is no table of FER+ votes.")
        columns = [header.index(name) for name in VOTED]
        picture = next((header.index(c) for c in (_BY_PATH, _BY_LINE) if c in header), None)
        by_path, by_line = {}, {}
        for row in reader:
            try:
                counts = np.array([float(row[c]) for c in columns], np.float32)
            except (ValueError, IndexError):
                raise DataError(f"{path}:{reader.line_num}: votes are not all numbers.") from None
            if _BY_PATH not in header:
                by_line[reader.line_num] = counts
            if picture is not None and row[picture]:
                by_path[row[picture]] = counts
    return by_path, by_line
