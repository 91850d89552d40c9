"""`edge-fer bench` as an owner types it."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge_fer.__main__ import main

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


@pytest.fixture(autouse=True)
def no_yunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No detector is installed, whatever this machine has."""
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path / "no-models"))


def bench(folder: Path, *arguments: str | Path, code: int = 0, **changes: object) -> None:
    path = folder / "edge-fer.yaml"
    settings = {"model": str(TINY), "mqtt": {"enabled": False}, "detector": {"kind": "haar"}, **changes}
    path.write_text(yaml.safe_dump(settings))
    told = ["bench", "--config", path, "--source", "synthetic", "--seconds", "0.3", *arguments]
    assert main([str(argument) for argument in told]) == code


def test_a_scene_needs_no_file_and_has_the_faces_that_were_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = {"width": 320, "height": 240}
    unhurried = {"target_fps": 0.1}  # a search that takes long on a busy machine is as often due as a short one
    bench(tmp_path, "--faces", "2", "--seconds", "1", "--json", tmp_path / "a.json", camera=small, pace=unhurried)
    figures = json.loads((tmp_path / "a.json").read_text())
    assert (figures["conditions"]["source"], figures["conditions"]["resolution"]) == ("synthetic, 2 faces", "320x240")
    assert figures["faces"] == 2
    assert 0 < figures["time_to_first_reading_s"] < 10_000
    assert figures["latency"]["posted"] > 0
    assert "frames     synthetic, 2 faces, 320x240, as fast as possible, 1 thread\n" in capsys.readouterr().out


def test_a_run_is_compared_with_an_earlier_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    camera = {"width": 160, "height": 120}
    bench(tmp_path, "--faces", "0", "--seconds", "1", "--json", tmp_path / "old.json", camera=camera)
    bench(tmp_path, "--faces", "0", "--seconds", "1", "--compare", tmp_path / "old.json", camera=camera)
    assert "\ncompared      before       now   change   99% interval\nframes/s" in capsys.readouterr().out


def test_an_unlike_run_is_refused_before_its_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(tmp_path, "--json", tmp_path / "old.json")
    capsys.readouterr()
    arguments = ("--faces", "2", "--compare", tmp_path / "old.json", "--seconds", "60")
    bench(tmp_path, *arguments, code=1, threads=2)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == (
        "edge-fer: these runs cannot be compared, they differ in "
        "source (synthetic, 1 face then, synthetic, 2 faces now), threads (1 then, 2 now); measure both alike\n"
    )


def test_another_film_of_the_same_name_is_unlike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for brightness in (50, 200):
        writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
        for _ in range(20):
            writer.write(np.full((48, 64, 3), brightness, np.uint8))
        writer.release()
        camera = {"source": str(tmp_path / "film.avi")}
        if brightness == 50:
            bench(tmp_path, "--source", "clip", "--json", tmp_path / "old.json", camera=camera)
        else:
            bench(tmp_path, "--source", "clip", "--compare", tmp_path / "old.json", code=1, camera=camera)
    assert "they differ in source (film.avi (sha256 " in capsys.readouterr().err


def test_threads_and_detectors_stand_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(tmp_path, "--threads", "1", "--detectors", "haar,yunet", "--json", tmp_path / "a.json")
    rows = json.loads((tmp_path / "a.json").read_text())["variants"]
    assert [(row["option"], row["choice"], row["fps"] is None) for row in rows] == [
        ("threads", "1", False),
        ("detector", "haar", False),
        ("detector", "yunet", True),
    ]
    assert "run `edge-fer models pull`" in rows[2]["problem"]
    assert "\nside by side " in capsys.readouterr().out


def test_operators_are_told_below_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(tmp_path, "--operators")
    lines = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    assert lines[0].split() == ["operator", "output", "us", "share"]
    assert lines[1].split()[:3] == ["1", "CONV_2D", "24x24x8"]
    assert lines[-1].startswith("all ")


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    bench(tmp_path, "--plot", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_without_matplotlib_the_picture_is_refused_before_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("matplotlib", "matplotlib.axes"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "edge_fer.bench.plot", raising=False)
    bench(tmp_path, "--plot", tmp_path / "a.png", "--seconds", "60", code=1)
    assert "pip install 'edge-fer[plots]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--detectors", "haar,foo"], "--detectors: 'foo' is no detector; give auto, edge, yunet or haar"),
        (
            ["--models", "emotion,nosuch"],
            "--models: there is no shipped model called 'nosuch': shipped are emotion, nano; "
            "a model of your own is given as path/to/NAME.tflite",
        ),
        (["--models", "none/x.tflite"], "--models: none/x.tflite: the model cannot be read: No such file or directory"),
        (["--json", "none/a.json"], "--json: none is no folder that can be written to; give a file in one that is"),
        (["--plot", "none/a.png"], "--plot: none is no folder that can be written to; give a file in one that is"),
        (["--json", "."], "--json: . is a folder; give a file"),
    ],
)
def test_what_cannot_be_measured_or_written_is_refused_before_the_window(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    bench(tmp_path, "--seconds", "60", *arguments, code=2)
    assert capsys.readouterr() == ("", f"{problem}\n")


def test_all_that_is_wrong_with_a_command_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(tmp_path, "--detectors", "foo,bar", "--models", "nosuch", "--plot", "none/a.png", code=2)
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["--detectors", "--detectors", "--models", "--plot"]
