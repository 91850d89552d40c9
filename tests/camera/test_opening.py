"""From the configuration to frames."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.camera import EndOfStream, UnusableSourceError, capture_from, open_source
from edge_fer.config import CameraConfig
from edge_fer.errors import CameraError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((8, 10), 50 * index, np.uint8))
    return tmp_path


def test_a_folder_as_fast_as_possible(folder: Path) -> None:
    capture = capture_from(CameraConfig(source=str(folder), realtime=False, fps=10.0))
    assert not capture.live
    assert capture.name == str(folder)
    frames = [capture.next(0) for _ in range(3)]
    assert [frame and (frame.index, frame.time_s, int(frame.pixels[0, 0])) for frame in frames] == [
        (0, 0.0, 0),
        (1, 0.1, 50),
        (2, 0.2, 100),
    ]
    with pytest.raises(EndOfStream):
        capture.next(0)


def test_a_folder_that_loops(folder: Path) -> None:
    capture = capture_from(CameraConfig(source=str(folder), realtime=False, loop=True))
    assert [int(frame.pixels[0, 0]) for frame in (capture.next(0) for _ in range(4)) if frame] == [0, 50, 100, 0]


def test_the_pattern_at_its_pace() -> None:
    capture = capture_from(CameraConfig(source="pattern", width=64, height=48, fps=100.0))
    assert capture.live
    frame = capture.next(10)
    capture.stop()
    assert frame is not None
    assert frame.pixels.shape == (48, 64)
    assert capture.state.details == "64x48 100 fps"


@pytest.mark.parametrize("source", [0, "/dev/video3", "picamera2", "rtsp://cam/x", "pattern"])
def test_cameras_are_live_and_nothing_is_opened_yet(source: int | str) -> None:
    assert capture_from(CameraConfig(source=source)).live


def test_cameras_are_live_even_if_the_pace_of_files_is_off() -> None:
    assert capture_from(CameraConfig(source=0, realtime=False)).live


def test_a_password_is_not_in_the_name() -> None:
    assert capture_from(CameraConfig(source="rtsp://admin:hunter2@cam/live?token=hunter2")).name == "rtsp://cam/live"


def test_a_missing_file_is_refused_before_anything_runs() -> None:
    with pytest.raises(UnusableSourceError, match=r"'missing\.mp4' does not exist; right would be"):
        capture_from(CameraConfig(source="missing.mp4"))


def test_a_source_opened_once_fails_at_once() -> None:
    with pytest.raises(CameraError, match="/dev/video97 is not there"):
        open_source(CameraConfig(source=97))


def test_the_package_alone_imports_no_opencv() -> None:
    code = "import sys, edge_fer.camera; sys.exit('cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
