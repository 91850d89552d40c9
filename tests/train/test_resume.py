import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

RECIPE = [
    "--epochs", "4", "--early-stopping", "3", "--monitor", "val_loss",
    "--stages", "2:1e-3", "--ema", "0.9", "--mixup", "0.3", "--erase", "0.3",
]  # fmt: skip


def kill_at(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith(line):
            process.kill()
            break
    process.communicate(timeout=60)
    assert process.returncode == -9


def test_a_killed_run_ends_like_one_that_was_not(
    trainer: Callable[..., subprocess.Popen[str]], finish: Callable[[subprocess.Popen[str]], str], tmp_path: Path
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(trainer(*RECIPE, "--out", str(straight)))
    kill_at(trainer(*RECIPE, "--out", str(killed)), "Epoch 3/4")
    kill_at(trainer(*RECIPE, "--out", str(killed)), "stage 2: ")
    (killed / "last.keras").replace(killed / "model.keras")  # as if the next stage had already saved a better one
    assert "resumed after epoch 4 of 4, stage 1" in finish(trainer(*RECIPE, "--out", str(killed)))

    pd.testing.assert_frame_equal(
        pd.read_csv(straight / "history.csv"), pd.read_csv(killed / "history.csv"), check_exact=True
    )
    with np.load(straight / "checkpoint.npz") as one, np.load(killed / "checkpoint.npz") as other:
        assert one.files == other.files
        assert len(one.files) > 20
        for name in one.files:
            assert np.array_equal(one[name], other[name]), name
