import json
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


def film(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for i in range(frames):
        writer.write(np.full((48, 64, 3), 12 * i, np.uint8))
    writer.release()
    return path


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
    assert "a.png: the annotated copy would overwrite its source; give another folder" in capsys.readouterr().err
    assert image.read_bytes() == before


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
