"""`edge-fer predict`: the emotions in pictures and films that are already there."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_fer.camera.address import IMAGE_SUFFIXES
from edge_fer.camera.images import Images
from edge_fer.camera.source import EndOfStream, Picture, Source
from edge_fer.camera.video import VideoFile
from edge_fer.config import Config, PaceConfig, SmoothingConfig, TrackingConfig
from edge_fer.errors import DataError
from edge_fer.pipeline import Pipeline, open_pipeline
from edge_fer.publish import payloads
from edge_fer.records import Frame, Reading

THOROUGH: Final = PaceConfig(target_fps=0.001, search_hz=1000, follow_hz=1000, idle_hz=1000)
"""Nothing has to keep up here: every frame is searched, and every face in it judged."""

STILL: Final = {
    "tracking": TrackingConfig(min_hits=1),
    "smoothing": SmoothingConfig(enter_confidence=0.0, leave_confidence=0.0, dwell_s=0.0),
}
"""A single picture has no next frame to wait for: every face and its most probable emotion is reported at once."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The faces of one picture, or of one frame of a film."""

    source: Path
    frame: Frame
    readings: list[Reading]


def predict(paths: Sequence[Path], config: Config) -> Iterator[Prediction]:
    """Judge images, films and folders of them, in order.

    Args:
        paths: images and videos; of a folder, every image and video directly in it.
        config: model, detector, tracking and smoothing; its camera and pace are not used.

    Raises:
        DataError: a path does not exist or holds nothing to look at.
        CameraError: a file cannot be decoded.
        ModelError, DetectorError: the model or detector cannot be used.
    """
    files = [file for path in paths for file in _files(path)]
    ids = itertools.count(1)
    config = config.model_copy(update={"pace": THOROUGH})
    films = open_pipeline(config, ids)
    stills = open_pipeline(config.model_copy(update=STILL), ids)
    for file in files:
        still = file.suffix.lower() in IMAGE_SUFFIXES
        source: Source = Images(file) if still else VideoFile(file)
        with closing(source):
            yield from _judge(file, source, stills if still else films)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not found:
            raise DataError(f"{path}: the folder holds no file; give one with images or videos")
        return found
    if not path.is_file():
        raise DataError(f"{path}: there is no such file; give images, videos or folders of them")
    return [path]


def _judge(file: Path, source: Source, pipeline: Pipeline) -> Iterator[Prediction]:
    pipeline.forget()
    for index, picture in enumerate(_pictures(source)):
        frame = Frame(picture.pixels, picture.position_s or 0.0, index, picture.colour)
        yield Prediction(file, frame, pipeline.process(frame))


def _pictures(source: Source) -> Iterator[Picture]:
    while True:
        try:
            picture = source.read()
        except EndOfStream:
            return
        yield picture


def as_json(prediction: Prediction) -> bytes:
    """One line: source, index and time of the frame, and the reading of every face as on the MQTT topics."""
    return payloads.encode(
        {
            "source": str(prediction.source),
            "index": prediction.frame.index,
            "time_s": round(prediction.frame.time_s, 3),
            "faces": [payloads.face_fields(reading) for reading in prediction.readings],
        }
    )


def as_text(prediction: Prediction) -> str:
    """One line for people."""
    faces = ", ".join(f"{reading.emotion} {reading.confidence:.0%}" for reading in prediction.readings)
    return f"{prediction.source} {prediction.frame.time_s:.2f} s: {faces or 'no face'}"
