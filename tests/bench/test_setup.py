from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.bench.setup import Origin, conditions, open_origin
from edge_fer.camera import UnusableSourceError
from edge_fer.config import CameraConfig, Config, DetectorConfig
from edge_fer.pipeline import open_pipeline

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three pictures."""
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for brightness in (50, 100, 150):
        writer.write(np.full((48, 64, 3), brightness, np.uint8))
    writer.release()
    return path


def test_a_clip_is_looped_as_fast_as_possible_whatever_is_configured(film: Path, tmp_path: Path) -> None:
    settings = CameraConfig(source=str(film), loop=False, realtime=True)
    origin = open_origin(settings, "clip", faces=1, folder=tmp_path)
    frames = [origin.capture.next(1) for _ in range(7)]
    origin.capture.stop()
    assert all(frame is not None for frame in frames)
    assert origin.pace == "as fast as possible"
    assert origin.name.startswith("film.avi (sha256 ")


def test_the_camera_is_taken_as_it_is_configured(film: Path, tmp_path: Path) -> None:
    origin = open_origin(CameraConfig(source=str(film)), "camera", faces=1, folder=tmp_path)
    assert (origin.capture.live, origin.pace) == (True, "live")
    origin = open_origin(CameraConfig(source="pattern", realtime=False), "camera", faces=1, folder=tmp_path)
    assert (origin.capture.live, origin.name, origin.pace) == (False, "pattern", "as fast as possible")


def test_a_film_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableSourceError, match=r"none\.avi"):
        open_origin(CameraConfig(source=str(tmp_path / "none.avi")), "clip", faces=1, folder=tmp_path)


def test_where_no_film_is_configured_one_is_made(tmp_path: Path) -> None:
    origin = open_origin(CameraConfig(source=0), "clip", faces=1, folder=tmp_path)
    frame = origin.capture.next(1)
    origin.capture.stop()
    assert frame is not None
    assert frame.pixels.shape == (480, 640)


def test_conditions_name_what_bears_on_the_frame_path_and_nothing_else(tmp_path: Path) -> None:
    config = Config(model=str(TINY), detector=DetectorConfig(kind="haar"), device="kitchen")
    origin: Origin = open_origin(config.camera, "synthetic", faces=3, folder=tmp_path)
    found = conditions(config, open_pipeline(config), origin, width=320, height=240)
    assert (found["source"], found["resolution"], found["threads"]) == ("synthetic, 3 faces", "320x240", "1")
    assert (found["detector"], found["tracking.memory_s"]) == ("haar", str(config.tracking.memory_s))
    sections = {name.partition(".")[0] for name in found if "." in name}
    assert sections == {"detector", "pace", "tracking", "smoothing"}
    assert "kitchen" not in str(found)


def test_where_the_detectors_file_lies_is_no_condition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path))
    file = Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
    found = []
    for detector in (DetectorConfig(kind="haar"), DetectorConfig(kind="haar", model=str(file))):
        config = Config(model=str(TINY), detector=detector)
        origin = open_origin(config.camera, "synthetic", faces=1, folder=tmp_path)
        found.append(conditions(config, open_pipeline(config), origin, width=320, height=240))
    assert found[0] == found[1]
