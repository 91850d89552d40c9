import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.__main__ import main

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edge-fer.yaml"
    path.write_text(f"model: {TINY}\ndetector: {{kind: haar}}\n")
    return path


def photo(path: Path, gray: int = 0) -> Path:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), np.full((48, 64), gray, np.uint8))
    return path


def film(path: Path, frames: int, fps: float = 20) -> Path:
    path.parent.mkdir(exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 12 * i, np.uint8))
    writer.release()
    return path


def gif(path: Path, shown_s: Sequence[float]) -> Path:
    """An animation of gray squares, each brighter than the last, that are shown for so long."""
    content = b"GIF89a" + bytes((16, 0, 16, 0, 0xF6, 0, 0)) + bytes(2 * i for i in range(128) for _ in range(3))
    for number, time_s in enumerate(shown_s):
        hundredths = round(100 * time_s)
        content += bytes((0x21, 0xF9, 4, 0, hundredths % 256, hundredths // 256, 0, 0))
        content += bytes((0x2C, 0, 0, 0, 0, 16, 0, 16, 0, 0))
        row = bytes((128, *[20 * number] * 16))  # 128 empties LZW's table, so that every code has eight bits
        content += bytes((7, 17)) + bytes((17,)).join([row] * 16) + bytes((1, 129, 0))
    path.write_bytes(content + b";")
    return path


def shots(path: Path) -> tuple[float, list[int]]:
    """Frames per second of a film, and how many frames each of its pictures is shown for."""
    copied = cv2.VideoCapture(str(path))
    grays = []
    while (read := copied.read())[0]:
        grays.append(round(float(read[1].mean()) / 40))
    return copied.get(cv2.CAP_PROP_FPS), [len(list(same)) for _, same in groupby(grays)]


def predict(*arguments: str | Path, code: int = 0) -> None:
    assert main(["predict", *(str(argument) for argument in arguments)]) == code


def test_json_has_one_object_per_image_and_frame(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), np.zeros((48, 64), np.uint8))
    film(folder / "b.avi", 3)
    predict(folder, "--config", config, "--json")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told == [
        {"source": f"{folder}/a.png", "index": 0, "time_s": 0.0, "faces": []},
        {"source": f"{folder}/b.avi", "index": 0, "time_s": 0.0, "faces": []},
        {"source": f"{folder}/b.avi", "index": 1, "time_s": 0.05, "faces": []},
        {"source": f"{folder}/b.avi", "index": 2, "time_s": 0.1, "faces": []},
    ]


def test_annotated_copies_are_whole(tmp_path: Path, config: Path) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.full((48, 64), 77, np.uint8))
    out = tmp_path / "out"
    predict(image, film(tmp_path / "b.avi", 5), film(tmp_path / "c.avi", 1), "--config", config, "--annotate", out)
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.mp4", "c.mp4"]
    copy = cv2.imread(str(out / "a.png"))
    assert copy is not None
    assert (copy.shape, copy.min(), copy.max()) == ((48, 64, 3), 77, 77)
    for name, frames, fps in (("b.mp4", 5, 20), ("c.mp4", 1, 1)):
        copied = cv2.VideoCapture(str(out / name))
        assert (copied.get(cv2.CAP_PROP_FRAME_COUNT), copied.get(cv2.CAP_PROP_FPS)) == (frames, fps)


def test_an_annotated_copy_never_overwrites_its_source(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((48, 64), np.uint8))
    before = image.read_bytes()
    predict(image, "--config", config, "--annotate", tmp_path, code=1)
    assert capsys.readouterr().err == (
        f"edge-fer: {image}: the annotated copy of {image} would overwrite a source; give another folder\n"
    )
    assert image.read_bytes() == before


@pytest.mark.parametrize("other", ["film", "no film"])
def test_an_annotated_copy_never_overwrites_what_else_was_given(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    folder = tmp_path / "fv"
    source, victim = film(folder / "clip.avi", 3), folder / "clip.mp4"
    victim.write_bytes(film(tmp_path / "other.avi", 5).read_bytes() if other == "film" else b"damaged")
    before = victim.read_bytes()
    predict(folder, "--config", config, "--annotate", folder, code=1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith(
        f"edge-fer: {victim}: the annotated copy of {source} would overwrite a source; give another folder\n"
    )
    assert victim.read_bytes() == before


def test_two_sources_of_one_name_are_refused_before_anything_is_written(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    first, second = photo(tmp_path / "d1" / "x.png"), photo(tmp_path / "d2" / "x.png", 200)
    predict(first, second, "--config", config, "--annotate", out, code=1)
    assert capsys.readouterr() == (
        "",
        f"edge-fer: {out}/x.png: the annotated copies of {first} and {second} would both get this name; "
        "annotate one after the other, into different folders\n",
    )
    assert not out.exists()


def test_what_is_no_film_takes_no_copys_name(tmp_path: Path, config: Path) -> None:
    folder = film(tmp_path / "in" / "clip.avi", 3).parent
    (folder / "clip.txt").write_text("what we saw\n" * 100)
    predict(folder, "--config", config, "--annotate", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mp4"]


def test_annotating_again_replaces_the_copies(tmp_path: Path, config: Path) -> None:
    source, out = photo(tmp_path / "a.png", 50), tmp_path / "out"
    predict(source, film(tmp_path / "b.avi", 3), "--config", config, "--annotate", out)
    photo(source, 90)
    predict(source, film(tmp_path / "b.avi", 7), "--config", config, "--annotate", out)
    copy = cv2.imread(str(out / "a.png"))
    assert copy is not None
    assert copy.max() == 90
    assert cv2.VideoCapture(str(out / "b.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 7


@pytest.mark.parametrize(
    ("shown_s", "fps", "frames"),
    [
        ((0.1, 0.1, 0.1, 0.1), 10, [1, 1, 1, 1]),
        ((0.02, 0.5, 0.5, 0.5, 0.5), 50, [1, 25, 25, 25, 25]),
        ((0.5, 0.1, 0.1), 10, [5, 1, 1]),
        ((0.07, 0.06, 0.07, 0.07), 15, [1, 1, 1, 1]),  # no rate but whole hundredths, as GIFs have them
        ((2.0, 3.0, 3.0), 1, [2, 3, 3]),
    ],
)
def test_an_annotated_film_takes_as_long_as_its_source(
    tmp_path: Path, config: Path, shown_s: tuple[float, ...], fps: float, frames: list[int]
) -> None:
    predict(gif(tmp_path / "a.gif", shown_s), "--config", config, "--annotate", tmp_path)
    copied_fps, copied_frames = shots(tmp_path / "a.mp4")
    assert copied_fps == pytest.approx(fps, abs=0.1)
    assert copied_frames == frames


def test_a_film_with_more_frames_than_a_screen_shows_leaves_some_out(tmp_path: Path, config: Path) -> None:
    predict(film(tmp_path / "a.avi", 12, fps=120), "--config", config, "--annotate", tmp_path)
    copied = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    assert (copied.get(cv2.CAP_PROP_FRAME_COUNT), copied.get(cv2.CAP_PROP_FPS)) == (6, 60)


def test_a_film_that_breaks_in_the_middle_leaves_no_half_copy(tmp_path: Path, config: Path) -> None:
    broken = tmp_path / "z.png"
    broken.write_bytes(b"no image")
    out = tmp_path / "out"
    predict(film(tmp_path / "a.avi", 3), broken, "--config", config, "--annotate", out, code=1)
    assert [path.name for path in out.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("missing.jpg", "missing.jpg: there is no such file; give images, videos or folders of them"),
        ("empty", "empty: the folder holds no file; give one with images or videos"),
    ],
)
def test_paths_with_nothing_to_look_at(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], name: str, sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    predict(tmp_path / name, "--config", config, code=1)
    assert capsys.readouterr().err.endswith(f"{sentence}\n")


def test_what_cannot_be_judged_in_a_folder_is_passed_over(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "in"
    photo(folder / "c.png")
    for name, content in (("a.png", b"no image"), ("b.txt", b"what we saw\n" * 100), ("d.csv", b"1,2\n")):
        (folder / name).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        predict(folder, "--config", config)
    assert capsys.readouterr().out == f"{folder}/c.png 0.00 s: no face\n"
    assert sorted(caplog.messages) == [
        f"Passed over: {folder}/b.txt is text, no video",
        f"Passed over: {folder}/d.csv is no video that FFmpeg can read, or it is damaged",
        f"Passed over: the image {folder}/a.png cannot be read: it is no image",
    ]


@pytest.mark.parametrize("name", ["a.png", "a.txt"])
def test_a_folder_of_nothing_that_can_be_judged_is_an_error(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / name).write_text("what we saw\n" * 100)
    predict(folder, "--config", config, code=1)
    assert capsys.readouterr().err.endswith(
        f"edge-fer: {folder}: no file there can be judged; give images, videos or folders of them\n"
    )


def test_a_file_that_was_named_is_not_passed_over(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("what we saw\n" * 100)
    predict(photo(tmp_path / "b.png"), text, "--config", config, code=1)
    assert capsys.readouterr() == (f"{tmp_path}/b.png 0.00 s: no face\n", f"edge-fer: {text} is text, no video\n")


def test_a_name_that_is_no_utf_8_gives_valid_json(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = photo(tmp_path / "a.png").rename(tmp_path / os.fsdecode(b"caf\xe9.png"))
    for options in (("--json",), ()):
        predict(image, "--config", config, "--annotate", tmp_path / "out", *options)
    told, line = capsys.readouterr().out.splitlines()
    assert json.loads(told)["source"] == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.png"
    assert line == f"{tmp_path}/caf\N{REPLACEMENT CHARACTER}.png 0.00 s: no face"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [image.name]


def test_a_folder_whose_name_is_no_utf_8_takes_no_film(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict(film(tmp_path / "a.avi", 3), "--config", config, "--annotate", tmp_path / os.fsdecode(b"caf\xe9"), code=1)
    assert "a.mp4' is no UTF-8, which OpenCV needs; give another folder" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["predict", "{folder}/a.png"], ["run", "--stdout"], ["config", "--print"]])
def test_an_output_that_takes_no_more_is_one_clear_sentence(tmp_path: Path, config: Path, arguments: list[str]) -> None:
    with config.open("a") as more:
        more.write(f"camera: {{source: {photo(tmp_path / 'a.png')}, realtime: false}}\nmqtt: {{enabled: false}}\n")
    command = [argument.format(folder=tmp_path) for argument in arguments]
    with Path("/dev/full").open("w") as full:
        seen = subprocess.run(
            [sys.executable, "-m", "edge_fer", *command, "--config", str(config)],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert seen.returncode == 1
    assert seen.stderr.splitlines()[-1] == "edge-fer: standard output cannot be written: No space left on device"
    assert "Traceback" not in seen.stderr


@pytest.mark.data
def test_faces_of_photographs_are_judged_at_once_and_drawn(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "edge-fer.yaml"
    yunet = data / "models" / "face_detection_yunet_2023mar.onnx"
    config.write_text(f"model: {TINY}\ndetector: {{kind: yunet, model: {yunet}, min_score: 0.65}}\n")
    photos = [data / "photos" / name for name in ("group.jpeg", "neutral.jpeg", "non_face.jpg")]
    predict(*photos, "--config", config, "--json", "--annotate", tmp_path / "out")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [len(one["faces"]) for one in told] == [5, 1, 0]
    for face in [*told[0]["faces"], *told[1]["faces"]]:
        assert face["emotion"] == max(face["scores"], key=face["scores"].get)
        assert sum(face["scores"].values()) == pytest.approx(1.0)
    original, drawn = cv2.imread(str(photos[1])), cv2.imread(str(tmp_path / "out" / "neutral.jpeg"))
    assert original is not None
    assert drawn is not None
    x, y, _, h = told[1]["faces"][0]["box"]
    height, width = original.shape[:2]
    left_edge = round((y + h / 2) * height), round(x * width)
    assert np.abs(drawn[left_edge].astype(int) - original[left_edge]).max() > 20


def test_a_folder_that_cannot_be_made(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "a.png"
    cv2.imwrite(str(image), np.zeros((48, 64), np.uint8))
    predict(image, "--config", config, "--annotate", image / "out", code=1)
    assert capsys.readouterr().err == f"edge-fer: {image}/out: the folder cannot be made: Not a directory\n"
