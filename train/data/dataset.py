"""What every reader of a format gives back: labelled gray pictures in splits."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.records import LABELS

Images: TypeAlias = NDArray[np.uint8]
"""Gray pictures, uint8, shape (n, height, width); in memory or memory-mapped."""

SPLITS = ("train", "validation", "test")

VOTED = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
"""The emotions of the FER+ crowd, in the order of its columns."""


@dataclass(frozen=True, slots=True)
class Split:
    """Pictures with their labels.

    Attributes:
        images: uint8 (n, height, width).
        labels: int64 (n,), indices into the data set's classes.
        names: where each picture came from: a relative path, or `file:line`.
        votes: float32 (n, 8), what shares of a crowd chose which of `VOTED`; rows of zeros where there are no
            votes. None where nobody was asked.
    """

    images: Images
    labels: NDArray[np.int64]
    names: Sequence[str]
    votes: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.int64]) -> "Split":
        """The pictures at these indices, in their order."""
        votes = None if self.votes is None else self.votes[indices]
        return Split(self.images[indices], self.labels[indices], [self.names[i] for i in indices], votes)


class Stream(Protocol):
    """Training pictures that are read again for every epoch."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pictures of each class, int64 (classes,)."""

    @property
    def digest(self) -> str:
        """Changes with the pictures."""

    def __len__(self) -> int: ...

    def batches(self, batch_size: int, rng: np.random.Generator) -> Iterator[tuple[Images, NDArray[np.int64]]]:
        """Go once through all pictures in shuffled order: uint8 (batch_size, height, width), int64 (batch_size,)."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Splits that share their classes.

    Attributes:
        classes: names in the order of the labels.
        splits: `train` and, where the source has them, `validation` and `test`.
        stream: the training pictures where they are too many for memory; `train` then is a sample of them.
        set_apart: whether `validation` was split off `train` here, for want of one in the source.
    """

    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    stream: Stream | None = None
    set_apart: bool = False

    @property
    def train(self) -> Split:
        """What is trained on."""
        return self.splits["train"]

    @property
    def validation(self) -> Split:
        """What models are selected on."""
        return self.splits["validation"]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, in pixels."""
        _, height, width = self.train.images.shape
        return height, width

    def with_split(self, name: str, split: Split) -> "Dataset":
        """The same data set with one split put in or exchanged."""
        return replace(self, splits={**self.splits, name: split})

    def without_votes(self) -> "Dataset":
        """The same data set as if nobody had been asked."""
        return replace(self, splits={name: replace(split, votes=None) for name, split in self.splits.items()})

    def fingerprint(self) -> str:
        """SHA-256 over classes, pixels and labels of all splits, in their order."""
        digest = hashlib.sha256("\n".join(self.classes).encode())
        if self.stream is not None:
            digest.update(self.stream.digest.encode())
        for name in sorted(self.splits):
            split = self.splits[name]
            digest.update(f"{name} {split.images.shape}".encode())
            for start in range(0, len(split), 4096):  # a memory-mapped split stays on disk
                digest.update(np.ascontiguousarray(split.images[start : start + 4096]).data)
            digest.update(split.labels.astype("<i8").data)
        return digest.hexdigest()

    def describe(self) -> str:
        """One line per split: its size and its pictures per class."""
        lines = []
        for name in SPLITS:
            if name in self.splits:
                split = self.splits[name]
                counts = np.bincount(split.labels, minlength=len(self.classes))
                each = ", ".join(f"{c} {n}" for c, n in zip(self.classes, counts, strict=True))
                streamed = f" held of a stream of {len(self.stream)}" if self.stream and name == "train" else ""
                lines.append(f"{name}: {len(split)} pictures{streamed} ({each})")
        return "\n".join(lines)


def order_classes(names: set[str]) -> tuple[str, ...]:
    """Canonical class names in the project's order: those of `edge_fer.records.LABELS` first, others by name."""
    known = [label for label in LABELS if label in names]
    return (*known, *sorted(names.difference(LABELS)))


def check_splits(dataset: Dataset, source: str) -> Dataset:
    """Refuse a data set in which a class has no picture to train on, or to judge by.

    Raises:
        DataError: names the split and the empty classes.
    """
    for name, split in dataset.splits.items():
        counts = np.bincount(split.labels, minlength=len(dataset.classes))
        empty = [c for c, n in zip(dataset.classes, counts, strict=True) if n == 0]
        if empty:
            raise DataError(f"{source}: split {name} has no picture of {', '.join(empty)}: every class needs some.")
    return dataset
