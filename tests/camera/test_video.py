"""Video files, written by the tests and real ones."""

import contextlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError
from edge_fer.camera.video import VideoFile


def write_video(path: Path, *, count: int = 10, fps: float = 25) -> None:
    """A video whose picture number i has the gray value 20 * i."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    assert writer.isOpened()
    for index in range(count):
        writer.write(np.full((48, 64, 3), 20 * index, np.uint8))
    writer.release()


def read_all(video: VideoFile) -> list[Picture]:
    pictures = []
    with contextlib.closing(video), contextlib.suppress(EndOfStream):
        while True:
            pictures.append(video.read())
    return pictures


def test_every_picture_comes_once_and_in_its_time(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi")
    video = VideoFile(tmp_path / "v.avi")
    assert video.details == "64x48 MJPG 25 fps"
    pictures = read_all(video)
    assert [round(float(p.pixels.mean()) / 20) for p in pictures] == list(range(10))
    assert [p.position_s for p in pictures] == pytest.approx([index / 25 for index in range(10)], abs=1e-6)
    assert pictures[3].colour is not None
    assert pictures[3].colour().shape == (48, 64, 3)


def test_the_time_line_goes_on_over_loops(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", count=3)
    video = VideoFile(tmp_path / "v.avi", loop=True)
    pictures = [video.read() for _ in range(8)]
    assert [round(float(p.pixels.mean()) / 20) for p in pictures] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [p.position_s for p in pictures] == pytest.approx([index / 25 for index in range(8)], abs=1e-6)


def test_pictures_are_owned(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", count=3)
    video = VideoFile(tmp_path / "v.avi")
    first = video.read()
    kept = first.pixels.copy()
    read_all(video)
    assert np.array_equal(first.pixels, kept)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"^the video \S*v.mp4 is empty \(0 bytes\)$"),
        (b"this is not a video", r"^\S*v.mp4 is no video that FFmpeg can read, or it is damaged$"),
        (bytes(range(256)) * 40, r"^\S*v.mp4 is no video that FFmpeg can read, or it is damaged$"),
    ],
)
def test_a_broken_file_is_one_clear_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, sentence: str
) -> None:
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(UnusableSourceError, match=sentence):
        VideoFile(tmp_path / "v.mp4")
    assert capfd.readouterr() == ("", "")


def test_a_video_whose_pictures_are_damaged_is_one_clear_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "v.avi"
    write_video(path, count=3)
    content = bytearray(path.read_bytes())
    start = content.index(b"movi") + 4
    content[start : content.rindex(b"idx1")] = bytes(content.rindex(b"idx1") - start)
    path.write_bytes(content)
    with pytest.raises(UnusableSourceError, match=r"is damaged|no video that FFmpeg can read"):
        VideoFile(path).read()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".txt", ".nfo", ".ans"])
def test_plain_text_is_no_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"notes{suffix}"
    path.write_text("what we saw\n" * 100)
    with pytest.raises(UnusableSourceError) as raised:
        VideoFile(path)
    assert str(raised.value) == f"{path} is text, no video"


def test_a_name_that_is_no_utf_8_is_one_clear_sentence(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi")
    path = (tmp_path / "v.avi").rename(tmp_path / os.fsdecode(b"caf\xe9.avi"))
    with pytest.raises(UnusableSourceError, match=r"caf\\udce9\.avi' is no UTF-8, which OpenCV needs; rename it$"):
        VideoFile(path)


def test_a_missing_file_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(UnusableSourceError, match="cannot be opened: No such file or directory"):
        VideoFile(tmp_path / "v.mp4")


@pytest.mark.data
def test_a_real_clip_comes_whole_and_in_time(data: Path) -> None:
    pictures = read_all(VideoFile(data / "clips" / "asl" / "hungry.mkv"))
    assert len(pictures) == 49
    assert pictures[0].pixels.shape == (480, 640)
    assert [p.position_s for p in pictures] == pytest.approx([index / 30 for index in range(49)], abs=0.001)


@pytest.mark.data
def test_an_animated_gif_keeps_the_times_of_its_pictures(data: Path) -> None:
    video = VideoFile(data / "clips" / "classroom.gif")
    assert video.details == "480x270 gif 16.67 fps"
    times = [p.position_s for p in read_all(video)]
    assert len(times) == 45
    assert times[:4] == [0.0, 0.07, 0.13, 0.2]
    assert times[-1] == 2.93
