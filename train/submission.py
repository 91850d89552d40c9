"""Classifies pictures that have no labels, into the CSV that a Kaggle competition asks for."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edge_fer.atomic import write_atomically
from edge_fer.errors import DataError, ModelError
from edge_fer.preprocess import resize_face
from edge_fer.records import LABELS

from .data.folders import decode_gray, is_picture
from .data.pixel_csv import csv_columns, read_pixels
from .data.tree import Tree, open_tree
from .judge import predict


def write_submission(model: Path, source: str, out: Path) -> None:
    """Write one row per picture, in the order of the rows of a CSV file or of the paths of a folder.

    Columns: `id` (counted from 1, or the path), `emotion` (the number FER2013 gives the class; from 7 on in the order
    of the model's further classes), `label`, `confidence`.

    Args:
        model: `model.keras`, with `run.json` beside it.
        source: a folder, zip archive or CSV file.
        out: the CSV file.

    Raises:
        ModelError: the model or its account cannot be read.
        DataError: there are no pictures, or one cannot be read: every row must get its answer.
    """
    labels, size = _read_account(model.with_name("run.json"))
    try:
        net = keras.saving.load_model(model, compile=False)
    except (ValueError, OSError) as error:
        raise ModelError(f"{model}: cannot be loaded: {error}") from error
    images, ids = _read_pictures(open_tree(Path(source)), size)
    probabilities = predict(net, images)
    said = probabilities.argmax(axis=1)
    numbers = [*LABELS, *(label for label in labels if label not in LABELS)]
    table = pd.DataFrame(
        {
            "id": ids,
            "emotion": [numbers.index(labels[i]) for i in said],
            "label": [labels[i] for i in said],
            "confidence": probabilities.max(axis=1).round(4),
        }
    )
    write_atomically(out, table.to_csv(index=False).encode())


def _read_account(path: Path) -> tuple[list[str], tuple[int, int]]:
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
        height, width = account["input_size"]
        return list(account["labels"]), (height, width)
    except FileNotFoundError:
        raise ModelError(f"{path}: missing: it names the labels of the model beside it.") from None
    except (json.JSONDecodeError, KeyError) as error:
        raise ModelError(f"{path}: no account of a training run: {error}.") from error


def _read_pictures(tree: Tree, size: tuple[int, int]) -> tuple[NDArray[np.uint8], list[str]]:
    tables = [p for p in tree.paths if p.lower().endswith(".csv") and "pixels" in csv_columns(tree, p)]
    unlabelled = [p for p in tables if "emotion" not in csv_columns(tree, p)]
    if chosen := unlabelled or tables:
        if len(chosen) > 1:
            raise DataError(f"{tree.root}: holds {' and '.join(chosen)}: name one of them with --data.")
        images, _ = read_pixels(tree, chosen[0], size)
        return images, [str(i) for i in range(1, len(images) + 1)]
    paths = [p for p in tree.paths if is_picture(p)]
    if not paths:
        raise DataError(f"{tree.root}: neither pictures nor a CSV file with a column pixels.")
    decoded = []
    for path in paths:
        image = decode_gray(tree.read(path))
        if image is None:
            raise DataError(f"{tree.root}: {path}: no readable picture.")
        decoded.append(resize_face(image, size))
    return np.stack(decoded), paths
