"""Pictures as rows of a CSV file: a label, the pixels as numbers between spaces, and what the row is used for.

`fer2013.csv` and `ckextended.csv` have the columns emotion, pixels, Usage; the Kaggle challenge's `train.csv`
has emotion, pixels; its `test.csv` has pixels alone.
"""

import csv
import math
import sys
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.preprocess import resize_face
from edge_fer.records import LABELS, GrayImage

from .dataset import Dataset, Split, order_classes
from .problems import Problems
from .tree import Tree

CSV_CLASSES = {"fer2013": LABELS, "kaggle": LABELS, "ckextended": (*LABELS, "contempt")}
"""Class names by number, for each layout."""

_USAGE = {"training": "train", "publictest": "validation", "privatetest": "test"}


def csv_columns(tree: Tree, path: str) -> tuple[str, ...]:
    """The columns' names in lower case, from the first line of a CSV file.

    Raises:
        DataError: the file is no text.
    """
    try:
        with tree.open_text(path) as file:
            header: list[str] = next(csv.reader(file), [])
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no UTF-8 text ({error}).") from error
    return tuple(name.strip().lower() for name in header)


def read_pixel_csv(tree: Tree, path: str, layout: str, size: tuple[int, int], problems: Problems) -> Dataset:
    """Read a labelled CSV file.

    Args:
        tree: holds the file.
        path: where it is in the tree.
        layout: a key of `CSV_CLASSES`; numbers that no row bears are no class of the data set.
        size: height and width the pictures are scaled to, in pixels.
        problems: takes note of rows with a wrong number of pixels, values beyond 0 to 255, an unknown label or Usage.

    Returns:
        The data set; all of it is the split `train` where there is no column Usage.

    Raises:
        DataError: a column is missing, or no row can be used.
    """
    known = CSV_CLASSES[layout]
    columns = csv_columns(tree, path)
    missing = {"emotion", "pixels", *(() if layout == "kaggle" else ("usage",))}.difference(columns)
    if missing:
        raise DataError(f"{path}:1: no column {' and '.join(sorted(missing))}: the header is {', '.join(columns)}.")
    images: dict[str, list[GrayImage]] = {}
    labels: dict[str, list[int]] = {}
    names: dict[str, list[str]] = {}
    rows = 0
    for line, row in _rows(tree, path, columns):
        rows += 1
        where = f"{path}:{line}"
        usage = row.get("usage", "Training")
        split, label = _USAGE.get(usage.lower()), row.get("emotion", "")
        if split is None:
            problems.add(where, f"Usage is {usage!r}, not Training, PublicTest or PrivateTest")
        elif not label.isdecimal() or int(label) >= len(known):
            problems.add(where, f"emotion is {label!r}, not a number from 0 to {len(known) - 1}")
        elif isinstance(image := parse_pixels(row.get("pixels", "")), str):
            problems.add(where, image)
        else:
            images.setdefault(split, []).append(resize_face(image, size))
            labels.setdefault(split, []).append(int(label))
            names.setdefault(split, []).append(where)
    problems.check(str(tree.root), rows)
    if "train" not in images:
        raise DataError(f"{path}: no row that can be trained on.")
    classes = order_classes({known[i] for used in labels.values() for i in used})
    number = np.array([classes.index(name) if name in classes else -1 for name in known], np.int64)
    return Dataset(classes, {s: Split(np.stack(images[s]), number[labels[s]], names[s]) for s in images})


def read_pixels(tree: Tree, path: str, size: tuple[int, int]) -> tuple[NDArray[np.uint8], list[str]]:
    """Read the pictures of a CSV file without labels.

    Returns:
        uint8 (n, height, width), one per row, and `file:line` of each.

    Raises:
        DataError: names the first row without a picture, for every row must get its answer.
    """
    images, names = [], []
    for line, row in _rows(tree, path, csv_columns(tree, path)):
        image = parse_pixels(row.get("pixels", ""))
        if isinstance(image, str):
            raise DataError(f"{path}:{line}: {image}.")
        images.append(resize_face(image, size))
        names.append(f"{path}:{line}")
    if not images:
        raise DataError(f"{path}: no rows below the header.")
    return np.stack(images), names


def parse_pixels(text: str) -> GrayImage | str:
    """Turn `"70 80 82 …"` into a square picture, uint8 (side, side), or say why that is impossible."""
    try:
        values = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        return "pixels are not all whole numbers"
    side = math.isqrt(values.size)
    if side == 0 or side * side != values.size:
        return f"{values.size} pixels make no square picture"
    if values.min() < 0 or values.max() > 255:
        return f"pixels from {values.min()} to {values.max()} are not within 0 to 255"
    return values.astype(np.uint8).reshape(side, side)


def _rows(tree: Tree, path: str, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line numbers, counted from 1 as editors do, and rows by column; a picture of 224 x 224 is one long field."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with tree.open_text(path) as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            if row:
                yield reader.line_num, {c: v.strip() for c, v in zip(columns, row, strict=False)}
