"""The wheel, installed with its real dependencies, works on a board as it works here."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_fer import __version__
from edge_fer.clip import write_demo_clip
from edge_fer.records import Box

pytestmark = [pytest.mark.pi, pytest.mark.real]

MODELS = Path(__file__).parents[2] / "edge_fer/models"

Edge = Callable[..., str]


@pytest.fixture(scope="session")
def on_pi(board: Path, on_board: Callable[..., str]) -> Edge:
    """The installed command on a Pi 4's core."""
    return lambda *arguments: on_board("cortex-a72", board / "edge-fer/bin/edge-fer", *arguments)


def here(*arguments: str | Path) -> str:
    """The same command on this machine."""
    return subprocess.run(
        [sys.executable, "-m", "edge_fer", *arguments],
        env=os.environ | {"EDGE_FER_MODELS": "/nonexistent"}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_installed_command_runs(on_pi: Edge) -> None:
    assert on_pi("--version") == f"edge-fer {__version__}\n"


def same(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    """Same faces, same probabilities but for a tenth.

    OpenCV rounds otherwise on Arm when it resizes, so boxes differ by a pixel, and where two emotions are as likely the
    other one may be ahead.
    """
    pairs = list(zip(ours["faces"], theirs["faces"], strict=True))
    return all(
        one["scores"] == pytest.approx(other["scores"], abs=0.1) and Box(*one["box"]).iou(Box(*other["box"])) > 0.95
        for one, other in pairs
    )


def test_a_picture_is_judged_as_here(on_pi: Edge, portrait: Path) -> None:
    [ours], [theirs] = (json_lines(run("predict", portrait, "--json")) for run in (here, on_pi))
    assert [face["emotion"] for face in theirs["faces"]] == ["neutral"]
    assert same(ours, theirs)


@pytest.mark.data
def test_photos_are_judged_as_here(on_pi: Edge, data: Path, tmp_path: Path) -> None:
    yunet = data / "models/face_detection_yunet_2023mar.onnx"
    config = tmp_path / "edge-fer.yaml"
    config.write_text(f"detector: {{kind: yunet, model: {yunet}}}\n")
    photos = [path for path in (data / "photos").iterdir() if path.suffix in {".jpg", ".jpeg"}]
    options: list[str | Path] = [*photos, "--json", "--config", config]
    ours, theirs = (json_lines(run("predict", *options)) for run in (here, on_pi))
    assert all(same(one, other) for one, other in zip(ours, theirs, strict=True))
    faces = {Path(picture["source"]).stem: len(picture["faces"]) for picture in theirs}
    assert {name: count for name, count in faces.items() if name != "group"} == {
        "angry": 1, "happy-baby": 1, "sad-baby": 1, "neutral": 1, "surprised": 1, "non_face": 0,
    }  # fmt: skip
    assert faces["group"] in {4, 5}


def test_the_benchmark_runs(on_pi: Edge, tmp_path: Path) -> None:
    clip, config, figures = tmp_path / "clip.mp4", tmp_path / "edge-fer.yaml", tmp_path / "bench.json"
    write_demo_clip(clip, seconds=1.5)
    config.write_text(f"camera: {{source: {clip}, realtime: false}}\n")
    on_pi("bench", "--config", config, "--seconds", "2", "--json", figures)
    found = json.loads(figures.read_text())
    model = (MODELS / "emotion.tflite").read_bytes()
    assert found["model"] == {"name": "emotion", "sha256": hashlib.sha256(model).hexdigest()}
    # Emulated, two seconds are too few searches for a face to be judged in; predict and the logits tell of that.
    assert {"detect", "track", "smooth", "publish"} <= found["stages"].keys()
    assert found["fps"] > 0
