"""Data sets larger than memory: pictures in tar shards, read in a stream.

A shard is a tar file of `<emotion>/<name>.png`, as WebDataset reads and writes them; `index.json` beside the shards
names them per split and counts their pictures. Training streams through the shards of `train` in an order of its
own for every epoch, and shuffles within a buffer; memory does not grow with the number of pictures.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.atomic import write_atomically
from edge_fer.errors import DataError
from edge_fer.preprocess import resize_face

from .dataset import Dataset, Images, Split
from .folders import decode_gray

INDEX = "index.json"

_SAMPLE = 4096


@dataclass(frozen=True, slots=True)
class ShardStream:
    """The training pictures of a sharded data set.

    Attributes:
        shards: the tar files.
        classes: names in the order of the labels.
        counts: int64 (classes,), pictures of each class.
        size: height and width the pictures are scaled to, in pixels.
        digest: SHA-256 of the index.
    """

    shards: Sequence[Path]
    classes: tuple[str, ...]
    counts: NDArray[np.int64]
    size: tuple[int, int]
    digest: str

    def __len__(self) -> int:
        return int(self.counts.sum())

    def batches(
        self, batch_size: int, rng: np.random.Generator, buffer: int = 16384
    ) -> Iterator[tuple[Images, NDArray[np.int64]]]:
        """Go once through all pictures, in shuffled order.

        Args:
            batch_size: pictures per batch; the incomplete last one is left out.
            rng: decides the order.
            buffer: pictures held in memory to draw from.

        Yields:
            Pictures uint8 (batch_size, height, width) and labels int64 (batch_size,).

        Raises:
            DataError: a shard is damaged, or holds a picture that cannot be read or has no known class.
        """
        buffer = max(batch_size, min(buffer, len(self)))
        held = np.empty((buffer, *self.size), np.uint8)
        labels = np.empty(buffer, np.int64)
        filled = 0
        for image, label in self._pictures(rng):
            held[filled], labels[filled] = image, label
            filled += 1
            if filled == buffer:
                filled = yield from self._draw(held, labels, filled, batch_size, rng)
        while filled >= batch_size:
            filled = yield from self._draw(held, labels, filled, batch_size, rng)

    @staticmethod
    def _draw(
        held: Images, labels: NDArray[np.int64], filled: int, batch_size: int, rng: np.random.Generator
    ) -> Generator[tuple[Images, NDArray[np.int64]], None, int]:
        """Hand out a random batch of what is held, close the gaps, and tell how much is left."""
        chosen = rng.choice(filled, batch_size, replace=False)
        yield held[chosen], labels[chosen]
        left = filled - batch_size
        movers = np.setdiff1d(np.arange(left, filled), chosen)
        gaps = chosen[chosen < left]
        held[gaps], labels[gaps] = held[movers], labels[movers]
        return left

    def _pictures(self, rng: np.random.Generator) -> Iterator[tuple[NDArray[np.uint8], int]]:
        number = {name: i for i, name in enumerate(self.classes)}
        for i in rng.permutation(len(self.shards)):
            for where, folder, data in _members(self.shards[i]):
                image = decode_gray(data)
                if image is None or folder not in number:
                    raise DataError(f"{where}: no readable picture of {', '.join(self.classes)}.")
                yield resize_face(image, self.size), number[folder]


def write_shards(dataset: Dataset, out: Path, per_shard: int = 10_000) -> None:
    """Write a data set as shards of PNG files, pictures in shuffled order.

    Args:
        dataset: its splits; memory-mapped ones stay on disk.
        out: an empty or new folder.
        per_shard: pictures per tar file.

    Raises:
        DataError: the folder is not empty, or the data set is one of shards, of which only a sample is at hand.
    """
    if dataset.stream is not None:
        raise DataError("the data are shards already: write new ones from what these were made of.")
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out}: not empty: shards need a folder of their own.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as partial:
        _write(dataset, Path(partial) / "shards", per_shard)
        (Path(partial) / "shards").rename(out)


def _write(dataset: Dataset, out: Path, per_shard: int) -> None:
    index: dict[str, Any] = {"classes": list(dataset.classes), "splits": {}}
    for name, split in dataset.splits.items():
        order = np.random.default_rng(0).permutation(len(split))
        entries = []
        for number, start in enumerate(range(0, len(split), per_shard)):
            file = f"{name}/{number:06}.tar"
            (out / name).mkdir(parents=True, exist_ok=True)
            chosen = np.sort(order[start : start + per_shard])
            with tarfile.open(out / file, "w") as tar:
                for i in chosen:
                    _add(tar, f"{dataset.classes[split.labels[i]]}/{i:09}.png", split.images[i])
            counts = np.bincount(split.labels[chosen], minlength=len(dataset.classes))
            entries.append({"file": file, "counts": counts.tolist()})
        index["splits"][name] = entries
    write_atomically(out / INDEX, json.dumps(index, indent=1).encode())


def read_shards(folder: Path, size: tuple[int, int]) -> Dataset:
    """Open a sharded data set.

    Args:
        folder: holds `index.json`.
        size: height and width the pictures are scaled to, in pixels.

    Returns:
        A data set with `stream` set; its `train` is only a sample of the stream, the other splits are in memory.

    Raises:
        DataError: the index cannot be used.
    """
    try:
        content = (folder / INDEX).read_bytes()
        index = json.loads(content)
        classes = tuple(index["classes"])
        splits = {
            name: [(folder / e["file"], e["counts"]) for e in entries] for name, entries in index["splits"].items()
        }
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{folder / INDEX}: no index of shards ({error!r}).") from error
    streams = {
        name: ShardStream(
            [file for file, _ in entries],
            classes,
            np.sum([counts for _, counts in entries], axis=0).astype(np.int64),
            size,
            hashlib.sha256(content).hexdigest(),
        )
        for name, entries in splits.items()
    }
    if "train" not in streams:
        raise DataError(f"{folder / INDEX}: no split train.")
    held = {name: _hold(stream, len(stream)) for name, stream in streams.items() if name != "train"}
    sample = _hold(streams["train"], min(_SAMPLE, len(streams["train"])))
    return Dataset(classes, {"train": sample, **held}, streams["train"])


def _hold(stream: ShardStream, count: int) -> Split:
    """The first batch of a stream, `count` pictures, as a split in memory."""
    images, labels = next(iter(stream.batches(count, np.random.default_rng(0))))
    return Split(images, labels, [f"{stream.shards[0].parent.name}/{i}" for i in range(count)])


def _add(tar: tarfile.TarFile, name: str, image: NDArray[np.uint8]) -> None:
    data = cv2.imencode(".png", image)[1].tobytes()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _members(shard: Path) -> Iterator[tuple[str, str, bytes]]:
    """Where each file of a shard is, the folder it lies in, and its content, one after the other."""
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    yield f"{shard}:{member.name}", Path(member.name).parent.name, file.read()
                tar.members.clear()  # type: ignore[attr-defined]  # else every header stays in memory
    except (tarfile.TarError, FileNotFoundError) as error:
        raise DataError(f"{shard}: cannot be read ({error}).") from error
