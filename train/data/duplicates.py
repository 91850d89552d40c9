"""Pictures that stand in more than one split, and flatter every figure."""

from dataclasses import dataclass

import numpy as np

from .dataset import SPLITS, Dataset, Split


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A training picture with the very pixels of a picture that is judged by."""

    index: int
    name: str
    split: str
    other: str


def find_duplicates(dataset: Dataset) -> list[Duplicate]:
    """Training pictures that are pixel for pixel in `validation` or `test`, in the order of training pictures."""
    held_out: dict[bytes, tuple[str, str]] = {}
    for name in SPLITS[1:]:
        if split := dataset.splits.get(name):
            for key, picture in zip(_keys(split), split.names, strict=True):
                held_out.setdefault(key, (name, picture))
    train = dataset.train
    pairs = ((i, held_out.get(key)) for i, key in enumerate(_keys(train)))
    return [Duplicate(i, train.names[i], *other) for i, other in pairs if other]


def drop_duplicates(dataset: Dataset, duplicates: list[Duplicate]) -> Dataset:
    """The data set without those training pictures."""
    keep = np.setdiff1d(np.arange(len(dataset.train)), [d.index for d in duplicates])
    return dataset.with_split("train", dataset.train.take(keep))


def _keys(split: Split) -> list[bytes]:
    return [image.tobytes() for image in split.images]
