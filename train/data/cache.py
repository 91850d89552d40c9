"""Decoded pictures on disk, memory-mapped when they are wanted again."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from .dataset import Dataset, Split


def default_cache() -> Path:
    """The user's cache folder for decoded data sets."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "edge-fer"


def load_cached(folder: Path) -> tuple[Dataset, list[str]] | None:
    """What `save_cached` put into a folder: the data set, its pixels left on disk, and the problems found."""
    index = folder / "index.json"
    if not index.exists():
        return None
    content = json.loads(index.read_text(encoding="utf-8"))
    splits = {
        name: Split(
            np.load(folder / f"{name}.images.npy", mmap_mode="r"),
            np.load(folder / f"{name}.labels.npy"),
            names,
        )
        for name, names in content["names"].items()
    }
    return Dataset(tuple(content["classes"]), splits), content["problems"]


def save_cached(folder: Path, dataset: Dataset, problems: list[str]) -> None:
    """Write a data set into a folder, which appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix="partial-"))
    try:
        for name, split in dataset.splits.items():
            np.save(temporary / f"{name}.images.npy", split.images)
            np.save(temporary / f"{name}.labels.npy", split.labels)
        names = {name: list(split.names) for name, split in dataset.splits.items()}
        content = {"classes": dataset.classes, "names": names, "problems": problems}
        (temporary / "index.json").write_text(json.dumps(content), encoding="utf-8")
        if not folder.exists():  # else another process was quicker
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
