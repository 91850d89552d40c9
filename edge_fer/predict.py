"""`edge-fer predict`: the emotions in pictures and films that are already there."""

import itertools
import logging
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
from edge_fer.errors import CameraError, DataError
from edge_fer.pipeline import Pipeline, open_pipeline
from edge_fer.publish import payloads
from edge_fer.records import Frame, Reading

_log = logging.getLogger(__name__)

THOROUGH: Final = PaceConfig(target_fps=0.001, search_hz=1000, follow_hz=1000, idle_hz=1000)
"""Nothing has to keep up here: every frame is searched, and every face in it judged."""

STILL: Final = {
    "tracking": TrackingConfig(min_hits=1),
    "smoothing": SmoothingConfig(enter_confidence=0.0, leave_confidence=0.0, dwell_s=0.0),
}
"""A single picture has no next frame to wait for: every face and its most probable emotion is reported at once."""


@dataclass(frozen=True, slots=True)
class File:
    """An image or a film to judge; `named` says that the user named it, and not merely the folder that it lies in."""

    path: Path
    named: bool

    @property
    def still(self) -> bool:
        """Whether it is an image."""
        return self.path.suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the user gave: the files to judge, in order, and what else lies in the folders."""

    files: list[File]
    others: list[Path]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The faces of one picture, or of one frame of a film."""

    source: Path
    frame: Frame
    readings: list[Reading]


def find_inputs(paths: Sequence[Path]) -> Inputs:
    """List images, films, and those directly in folders; what else lies there is passed over with a line in the log.

    Raises:
        DataError: a path does not exist, or is a folder without files.
    """
    inputs = Inputs([], [])
    for path in paths:
        if not path.is_dir():
            if not path.is_file():
                raise DataError(f"{path}: there is no such file; give images, videos or folders of them")
            inputs.files.append(File(path, named=True))
            continue
        found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not found:
            raise DataError(f"{path}: the folder holds no file; give one with images or videos")
        for file in (File(one, named=False) for one in found):
            if file.still or _is_film(file.path):
                inputs.files.append(file)
            else:
                inputs.others.append(file.path)
    if not inputs.files:
        raise _nothing(inputs.others)
    return inputs


def predict(inputs: Inputs, config: Config) -> Iterator[Prediction]:
    """Judge images and films, in order; what cannot be read is passed over with a line in the log, unless named.

    Args:
        inputs: what to judge.
        config: model, detector, tracking and smoothing; its camera and pace are not used.

    Raises:
        DataError: not one file can be judged.
        CameraError: a file that the user named cannot be decoded.
        ModelError, DetectorError: the model or detector cannot be used.
    """
    ids = itertools.count(1)
    config = config.model_copy(update={"pace": THOROUGH})
    films = open_pipeline(config, ids)
    stills = open_pipeline(config.model_copy(update=STILL), ids)
    judged = False
    for file in inputs.files:
        try:
            for prediction in _judge(file, stills if file.still else films):
                judged = True
                yield prediction
        except CameraError as error:
            if file.named:
                raise
            _pass_over(error)
    if not judged:
        raise _nothing([file.path for file in inputs.files])


def _is_film(path: Path) -> bool:
    try:
        VideoFile(path).close()
    except CameraError as error:
        _pass_over(error)
        return False
    return True


def _pass_over(error: CameraError) -> None:
    _log.warning("Passed over: %s", error)


def _nothing(files: Sequence[Path]) -> DataError:
    folders = ", ".join(dict.fromkeys(str(file.parent) for file in files))
    return DataError(f"{folders}: no file there can be judged; give images, videos or folders of them")


def _judge(file: File, pipeline: Pipeline) -> Iterator[Prediction]:
    pipeline.forget()
    source: Source = Images(file.path) if file.still else VideoFile(file.path)
    with closing(source):
        for index, picture in enumerate(pictures(source)):
            frame = Frame(picture.pixels, picture.position_s or 0.0, index, picture.colour)
            yield Prediction(file.path, frame, pipeline.process(frame))


def pictures(source: Source) -> Iterator[Picture]:
    """What a source gives, to its end.

    Raises:
        CameraError: it cannot be read.
    """
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
            "source": _shown(prediction.source),
            "index": prediction.frame.index,
            "time_s": round(prediction.frame.time_s, 3),
            "faces": [payloads.face_fields(reading) for reading in prediction.readings],
        }
    )


def as_text(prediction: Prediction) -> str:
    """One line for people."""
    faces = ", ".join(f"{reading.emotion} {reading.confidence:.0%}" for reading in prediction.readings)
    return f"{_shown(prediction.source)} {prediction.frame.time_s:.2f} s: {faces or 'no face'}"


def _shown(path: Path) -> str:
    """A file's name, with a mark for every byte of it that is no UTF-8: neither JSON nor a terminal takes such."""
    return str(path).encode(errors="surrogateescape").decode(errors="replace")
