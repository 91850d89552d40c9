"""Scenes with the faces that a teacher found in them, in memory: for training and for judging detectors.

The folder holds `scenes.zip` (gray JPEGs), `scenes.csv` (image, set, …) and `faces.csv` (image, x, y, width, height,
five landmarks, score; in pixels of the stored picture).
"""

import csv
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.records import GrayImage

HELD_OUT_SETS: Final = ("darkpool_trim",)
HELD_OUT_SHARE: Final = 0.1
SURE: Final = 0.7
"""Teacher scores from which a box counts as a face; what is below may be one or not."""

_LANDMARKS: Final = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
_COLUMNS: Final = ("x", "y", "width", "height", *(f"{part}_{axis}" for part in _LANDMARKS for axis in "xy"), "score")


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and its faces.

    Attributes:
        name: path in the archive.
        group: the set it comes from.
        pixels: uint8 (height, width).
        boxes: float32 (n, 4), x, y, width, height in pixels.
        landmarks: float32 (n, 5, 2) in pixels: right eye, left eye, nose, right and left corner of the mouth.
        scores: float32 (n,), the teacher's.
    """

    name: str
    group: str
    pixels: GrayImage
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]


def load_scenes(folder: Path, *, held_out: bool) -> list[Scene]:
    """Read one part of the scenes.

    Held out are whole sets of `HELD_OUT_SETS` and of every other set the last tenth in the order of `scenes.csv`:
    sets follow a camera or a person for many pictures, so a random split would show the same people on both sides.

    Args:
        folder: with `scenes.zip`, `scenes.csv` and `faces.csv`.
        held_out: whether to read the held-out part instead of the one to train with.

    Raises:
        DataError: a file is missing or is not what it should be.
    """
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _rows(folder / "scenes.csv", ("image", "set", "faces")):
        groups[row["set"]].append(row)
    faces: dict[str, list[list[float]]] = defaultdict(list)
    for row in _rows(folder / "faces.csv", ("image", *_COLUMNS)):
        faces[row["image"]].append([float(row[column]) for column in _COLUMNS])
    try:
        archive = zipfile.ZipFile(folder / "scenes.zip")
    except FileNotFoundError:
        raise DataError(f"{folder / 'scenes.zip'}: no such file") from None
    except zipfile.BadZipFile as error:
        raise DataError(f"{folder / 'scenes.zip'}: cannot be read: {error}") from error
    with archive:
        # Scenes said to be without faces were looked through: what the teacher suspected there is none.
        return [
            _scene(archive, row["image"], group, faces[row["image"]] if int(row["faces"]) else [])
            for group, rows in groups.items()
            for row in _part(group, rows, held_out=held_out)
        ]


def _rows(path: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; scenes are scenes.zip, scenes.csv and faces.csv") from None
    if missing := [column for column in columns if not rows or column not in rows[0]]:
        raise DataError(f"{path}: columns are missing: {', '.join(missing)}")
    return rows


def _part(group: str, rows: list[dict[str, str]], *, held_out: bool) -> list[dict[str, str]]:
    first = 0 if group in HELD_OUT_SETS else round(len(rows) * (1 - HELD_OUT_SHARE))
    return rows[first:] if held_out else rows[:first]


def _scene(archive: zipfile.ZipFile, name: str, group: str, faces: list[list[float]]) -> Scene:
    try:
        pixels = cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE)
    except KeyError:
        raise DataError(f"{archive.filename}: {name} of scenes.csv is not in it") from None
    if pixels is None:
        raise DataError(f"{archive.filename}: {name} is no picture")
    values = np.array(faces, np.float32).reshape(-1, len(_COLUMNS))
    return Scene(
        name,
        group,
        pixels.astype(np.uint8, copy=False),
        values[:, :4],
        values[:, 4:14].reshape(-1, 5, 2),
        values[:, 14],
    )
