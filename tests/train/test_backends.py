import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.judge import predict

from edge_fer.metrics import score

RECIPE = ["--epochs", "3", "--learning-rate", "0.01", "--ema", "0.8", "--mixup", "0.3", "--erase", "0.3"]

Start = Callable[..., subprocess.Popen[str]]
Finish = Callable[[subprocess.Popen[str]], str]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_same_code_trains_under_other_backends(
    trainer: Start, finish: Finish, tmp_path: Path, bands: Dataset, backend: str
) -> None:
    """TensorFlow trains in all other tests; here the network comes from another engine and is judged in this one."""
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    output = finish(trainer(*RECIPE, "--out", str(tmp_path / "run"), KERAS_BACKEND=backend))
    assert f"on {backend}, 6 steps per epoch" in output
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    net = keras.saving.load_model(tmp_path / "run" / "model.keras", compile=False)
    validation = bands.validation
    scores = score(predict(net, validation.images), validation.labels, bands.classes)
    best = history.iloc[history["val_accuracy"].argmax()]
    assert scores.accuracy == best["val_accuracy"]
    assert scores.nll == pytest.approx(best["val_loss"], rel=1e-4)


def test_two_processes_train_as_one(trainer: Start, finish: Finish, tmp_path: Path, free_port: int) -> None:
    if find_spec("jax") is None:
        pytest.skip("jax is not installed")
    alone, together = tmp_path / "alone", tmp_path / "together"
    cluster = {
        "KERAS_BACKEND": "jax",
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"127.0.0.1:{free_port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    }
    processes = [
        trainer(*RECIPE, "--out", str(together), **cluster, KERAS_DISTRIBUTION_PROCESS_ID=str(i)) for i in range(2)
    ]
    for process in processes:
        finish(process)
    finish(trainer(*RECIPE, "--out", str(alone), KERAS_BACKEND="jax"))
    one, two = pd.read_csv(alone / "history.csv"), pd.read_csv(together / "history.csv")
    pd.testing.assert_frame_equal(one, two, rtol=1e-3)
    with np.load(alone / "checkpoint.npz") as a, np.load(together / "checkpoint.npz") as b:
        for name in a.files:
            if name != "state":
                np.testing.assert_allclose(a[name], b[name], rtol=1e-2, atol=1e-4)


def test_several_processes_need_jax(trainer: Start) -> None:
    process = trainer("--out", "unused", KERAS_DISTRIBUTION_NUM_PROCESSES="2")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "several processes need KERAS_BACKEND=jax, not tensorflow" in output
