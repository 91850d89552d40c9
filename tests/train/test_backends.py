import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from edge_fer.metrics import score
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.judge import predict

pytestmark = pytest.mark.backends

TRAIN = """
import sys
from pathlib import Path
from edge_fer_train.data.options import DataOptions
from edge_fer_train.data.source import load
from edge_fer_train.distribute import join
from edge_fer_train.fit import train
from edge_fer_train.recipe import load_recipe
recipe = load_recipe("", dict(
    size=24, net_args={"widths": [4, 8], "depths": [1, 1]}, batch_size=16, precision="float32", epochs=3,
    learning_rate=0.01, ema=0.8, augmentation={"mixup": 0.3, "erase": 0.3}))
data, cache, run = sys.argv[1:]
share = join(recipe.batch_size)
train(recipe, load(data, DataOptions(cache=cache), 24), Path(run), share=share)
"""


def start(data: Path, run: Path, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAIN, str(data), str(run.parent / "cache"), str(run)]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output


def skip_without(backend: str) -> None:
    """Skip where a backend is not installed, except in continuous integration, which then fails to import it."""
    if find_spec(backend) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{backend} is not installed")


@pytest.fixture(scope="module")
def runs(bands_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same short training under either backend."""
    folder = tmp_path_factory.mktemp("backends")
    for backend in ("jax", "torch"):
        skip_without(backend)
        finish(start(bands_folder, folder / backend, KERAS_BACKEND=backend))
    return {backend: folder / backend for backend in ("jax", "torch")}


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_code_trains_under_other_backends(runs: dict[str, Path], bands: Dataset, backend: str) -> None:
    """TensorFlow trains in all other tests; here the network comes from another engine and is judged in this one."""
    history = pd.read_csv(runs[backend] / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    net = keras.saving.load_model(runs[backend] / "model.keras", compile=False)
    validation = bands.validation
    scores = score(predict(net, validation.images), validation.labels, bands.classes)
    best = history.iloc[history["val_accuracy"].argmax()]
    assert scores.accuracy == best["val_accuracy"]
    assert scores.nll == pytest.approx(best["val_loss"], rel=1e-4)


def test_two_processes_train_as_one(runs: dict[str, Path], bands_folder: Path, tmp_path: Path, free_port: int) -> None:
    cluster = {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    together = tmp_path / "together"
    processes = [start(bands_folder, together, **cluster, KERAS_DISTRIBUTION_PROCESS_ID=str(i)) for i in range(2)]
    for process in processes:
        finish(process)
    alone, shared = (pd.read_csv(run / "history.csv") for run in (runs["jax"], together))
    pd.testing.assert_frame_equal(alone, shared, rtol=1e-3)
    with np.load(runs["jax"] / "checkpoint.npz") as a, np.load(together / "checkpoint.npz") as b:
        for name in a.files:
            if name != "state":
                np.testing.assert_allclose(a[name], b[name], rtol=1e-2, atol=1e-4)
