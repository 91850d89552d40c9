import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from edge_fer.errors import ConfigError, DataError
from edge_fer_train.batches import Batches
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.data.options import DataOptions
from edge_fer_train.data.shards import write_shards
from edge_fer_train.data.source import load
from edge_fer_train.recipe import Augmentation, Recipe

STILL = Augmentation(flip=0, shift=0, rotate=0, zoom_out=1, zoom_in=1, contrast=0)


@pytest.fixture
def shards(bands: Dataset, tmp_path: Path) -> Path:
    write_shards(bands, tmp_path / "shards", per_shard=25)
    return tmp_path / "shards"


def pictures(batches: list[np.ndarray]) -> list[bytes]:
    return [image.tobytes() for batch in batches for image in batch]


def test_a_stream_shows_every_picture_once_in_shuffled_order(shards: Path, bands: Dataset) -> None:
    assert sorted(p.name for p in (shards / "train").iterdir()) == [f"{i:06}.tar" for i in range(4)]
    data = load(str(shards), DataOptions(), 24)
    assert data.stream is not None
    assert len(data.stream) == 96
    assert data.stream.counts.tolist() == [32, 32, 32]
    first = list(data.stream.batches(16, np.random.default_rng(0)))
    seen = pictures([images for images, _ in first])
    assert sorted(seen) == sorted(pictures([bands.train.images]))
    again = pictures([images for images, _ in data.stream.batches(16, np.random.default_rng(0))])
    other = pictures([images for images, _ in data.stream.batches(16, np.random.default_rng(1))])
    assert seen == again != other
    label = {image.tobytes(): c for image, c in zip(bands.train.images, bands.train.labels, strict=True)}
    assert all(label[i.tobytes()] == c for images, labels in first for i, c in zip(images, labels, strict=True))


def test_a_small_buffer_shows_them_all_too(shards: Path, bands: Dataset) -> None:
    stream = load(str(shards), DataOptions(), 24).stream
    assert stream is not None
    batches = list(stream.batches(10, np.random.default_rng(0), buffer=20))
    assert len(batches) == 9
    assert len(set(pictures([images for images, _ in batches]))) == 90


def test_the_other_splits_are_in_memory(shards: Path, bands: Dataset) -> None:
    data = load(str(shards), DataOptions(), 24)
    assert sorted(pictures([data.validation.images])) == sorted(pictures([bands.validation.images]))
    assert "held of a stream of 96" in data.describe()


def test_training_batches_come_from_the_stream(shards: Path) -> None:
    data = load(str(shards), DataOptions(), 24)
    batches = Batches(data, Recipe(batch_size=16, augmentation=STILL))
    assert batches.steps_per_epoch == 6
    stream = batches.from_epoch(0)
    two_epochs = [np.asarray(next(stream)[0]) for _ in range(12)]
    assert sorted(pictures(two_epochs[:6])) == sorted(pictures(two_epochs[6:]))
    assert pictures(two_epochs[:6]) != pictures(two_epochs[6:])
    assert np.array_equal(next(batches.from_epoch(1))[0], two_epochs[6])
    with pytest.raises(ConfigError, match="not with shards"):
        Batches(data, Recipe(balance="oversample"))


def test_shards_that_cannot_be_used(shards: Path, bands: Dataset) -> None:
    with pytest.raises(DataError, match="not empty"):
        write_shards(bands, shards)
    with tarfile.open(shards / "train" / "000000.tar", "w") as tar:
        tar.add(__file__, "happy/0.png")
    with pytest.raises(DataError, match=r"000000\.tar:happy/0\.png: no readable picture"):
        load(str(shards), DataOptions(), 24)
    (shards / "train" / "000000.tar").write_bytes(b"x" * 600)
    with pytest.raises(DataError, match=r"000000\.tar: cannot be read"):
        load(str(shards), DataOptions(), 24)
    index = json.loads((shards / "index.json").read_text())
    del index["splits"]["train"]
    (shards / "index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match="no split train"):
        load(str(shards), DataOptions(), 24)
    (shards / "index.json").write_text("[]")
    with pytest.raises(DataError, match="no index of shards"):
        load(str(shards), DataOptions(), 24)


def test_a_batch_larger_than_all_shards_is_refused(shards: Path) -> None:
    with pytest.raises(ConfigError, match="batch_size: 97: the shards hold 96 pictures to train on: take less"):
        Batches(load(str(shards), DataOptions(), 24), Recipe(batch_size=97))


def test_what_is_said_too_late_is_refused(shards: Path, tmp_path: Path) -> None:
    options = DataOptions(drop_duplicates=True, votes=tmp_path / "votes.csv")
    with pytest.raises(DataError, match="shards: --drop-duplicates, --votes: not with shards"):
        load(str(shards), options, 24)
    with pytest.raises(DataError, match="the data are shards already"):
        write_shards(load(str(shards), DataOptions(), 24), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_shards_that_were_broken_off_leave_nothing(
    bands: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edge_fer_train.data.shards._add", stop)
    with pytest.raises(KeyboardInterrupt):
        write_shards(bands, tmp_path / "shards")
    assert list(tmp_path.iterdir()) == []
