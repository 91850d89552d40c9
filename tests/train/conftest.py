import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer_train.data.dataset import Dataset, Split


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What Keras and its engines do behind our back is not ours to mend; `convert_to_numpy` is one such thing."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"))


CLASSES = ("happy", "sad", "neutral")


def make_split(count: int, seed: int, side: int = 24) -> Split:
    """Noise with a bright band whose height tells the class: easy, but not for an untrained net."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    images = rng.integers(0, 156, (count, side, side), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * side // 3 : (label + 1) * side // 3] += 100
    return Split(images, labels, [f"{CLASSES[c]}/{i:03}.png" for i, c in enumerate(labels)])


@pytest.fixture(scope="session")
def bands() -> Dataset:
    return Dataset(CLASSES, {"train": make_split(96, 0), "validation": make_split(30, 1)})


@pytest.fixture(scope="session")
def bands_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures as files."""
    root = tmp_path_factory.mktemp("bands")
    for split, count, seed in (("train", 96, 0), ("validation", 30, 1)):
        pictures = make_split(count, seed)
        for image, name in zip(pictures.images, pictures.names, strict=True):
            (root / split / name).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(root / split / name), image)
    return root


TINY_OPTIONS = [
    "--size",
    "24",
    "--net-args",
    "widths=[4,8]",
    "depths=[1,1]",
    "--batch-size",
    "16",
    "--precision",
    "float32",
]


@pytest.fixture
def trainer(bands_folder: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line in a process of its own on the bands."""

    def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "edge_fer_train", "--data", str(bands_folder), *TINY_OPTIONS, *arguments]
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **environment}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


@pytest.fixture
def finish() -> Callable[[subprocess.Popen[str]], str]:
    """Waits for a process, which must succeed; returns what it printed."""

    def wait(process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate(timeout=180)
        assert process.returncode == 0, output
        return output

    return wait


@pytest.fixture
def free_port() -> int:
    """A TCP port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
