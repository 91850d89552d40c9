"""The demo clip."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.camera.video import VideoFile
from edge_fer.clip import write_demo_clip
from edge_fer.detect.haar import Haar
from edge_fer.detect.yunet import YuNet
from edge_fer.errors import DataError
from edge_fer.records import Frame

pytest.importorskip("matplotlib", reason="the demo clip is made from a photo in matplotlib")

AWAY = 48
"""In about so many of the 200 pictures no face is in view."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "demo.mp4"
    write_demo_clip(path)
    return path


@pytest.fixture(scope="module")
def pictures(clip: Path) -> list[NDArray[np.uint8]]:
    video = VideoFile(clip)
    return [video.read().pixels for _ in range(200)]


def test_it_is_ten_seconds_of_vga(clip: Path) -> None:
    video = VideoFile(clip, loop=True)
    assert video.details == "640x480 FMP4 20 fps"
    times = [video.read().position_s for _ in range(201)]
    assert times[-2:] == pytest.approx([9.95, 10.0], abs=0.001)


def test_its_end_fits_its_beginning(pictures: list[NDArray[np.uint8]]) -> None:
    steps = [float(np.abs(pictures[i].astype(int) - pictures[i - 1].astype(int)).mean()) for i in range(len(pictures))]
    assert steps[0] < 2 * float(np.median(steps))


def test_haar_sees_one_face_that_leaves_once(pictures: list[NDArray[np.uint8]]) -> None:
    detector = Haar()
    counts = [len(detector.detect(Frame(pixels, 0.0, 0))) for pixels in pictures[::5]]
    assert [count for count, _ in itertools.groupby(counts)] == [1, 0, 1]
    assert 5 * counts.count(0) == pytest.approx(AWAY, abs=15)


@pytest.mark.data
def test_yunet_sees_one_face_that_leaves_once(pictures: list[NDArray[np.uint8]], data: Path) -> None:
    detector = YuNet(model=data / "models" / "face_detection_yunet_2023mar.onnx")
    counts = [len(detector.detect(Frame(pixels, 0.0, 0))) for pixels in pictures]
    assert [count for count, _ in itertools.groupby(counts)] == [1, 0, 1]
    assert counts.count(0) == pytest.approx(AWAY, abs=15)


def test_it_takes_less_than_three_seconds_of_cpu(tmp_path: Path) -> None:
    began_s = time.process_time()
    write_demo_clip(tmp_path / "demo.mp4")
    assert time.process_time() - began_s < 3


def test_nothing_but_the_clip_is_left(tmp_path: Path) -> None:
    write_demo_clip(tmp_path / "new" / "demo.mkv", seconds=0.2)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["demo.mkv"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("demo.xyz", r"takes no video called \*\.xyz; right would be \.mp4"), ("file/demo.mp4", "cannot be written: ")],
)
def test_what_cannot_be_written_is_one_clear_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, sentence: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=sentence):
        write_demo_clip(tmp_path / name, seconds=0.2)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert capfd.readouterr() == ("", "")


def test_without_matplotlib_the_sentence_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["matplotlib"] = None  # makes its import fail
from pathlib import Path
from edge_fer.clip import write_demo_clip
write_demo_clip(Path({str(tmp_path / "demo.mp4")!r}))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.stderr.splitlines()[-1] == (
        "edge_fer.errors.DataError: the demo clip is made from a photo in matplotlib: pip install matplotlib"
    )
    assert not list(tmp_path.iterdir())
