"""Copies of pictures and films with the faces drawn in."""

from contextlib import closing
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final

import cv2
import numpy as np

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.camera.address import IMAGE_SUFFIXES
from edge_fer.camera.opencv import is_utf8
from edge_fer.camera.video import VideoFile
from edge_fer.draw import draw_readings
from edge_fer.errors import DataError
from edge_fer.predict import Inputs, Prediction, pictures
from edge_fer.records import ColourImage, Frame

CODEC: Final = cv2.VideoWriter.fourcc(*"mp4v")
SLOWEST_FPS: Final = 1.0
FASTEST_FPS: Final = 60.0
"""More than that a screen does not show; and a single odd time stamp must not blow a film up."""

PROBE_FRAMES: Final = 300
"""So many frames tell a film's rate."""


class Annotator:
    """Writes annotated copies into a folder: an image keeps its name, a film becomes an .mp4.

    Each is written beside its final name and renamed once it is complete; a file of that name is replaced, so that the
    same can be annotated again. To be used as a context.

    Args:
        folder: made if it is not there.
        inputs: all that will be annotated.

    Raises:
        DataError: a copy would overwrite one of the inputs, or another copy.
        EdgeFerError: the folder cannot be made.
    """

    def __init__(self, folder: Path, inputs: Inputs) -> None:
        self._targets = _targets(folder, inputs)
        self._film: _Film | None = None
        make_folder(folder)

    def __enter__(self) -> "Annotator":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end_film(complete=error is None)

    def write(self, prediction: Prediction) -> None:
        """Add an image, or the next frame of a film.

        Raises:
            DataError: it cannot be written.
        """
        source, frame = prediction.source, prediction.frame
        target = self._targets[source]
        picture = _colour(frame)
        draw_readings(picture, prediction.readings)
        if self._film is not None and self._film.source != source:
            self._end_film(complete=True)
        if source.suffix.lower() in IMAGE_SUFFIXES:
            _write_image(target, picture)
            return
        if self._film is None:
            self._film = _Film(source, target)
        self._film.write(picture, frame.time_s)

    def _end_film(self, *, complete: bool) -> None:
        if self._film is not None:
            self._film.close(complete=complete)
            self._film = None


class _Film:
    """A film that is being written: at a fixed rate, each picture repeated until the next one's time."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source = source
        self._target = target
        self._partial = target.with_name(f".{target.stem}.part{target.suffix}")
        self._fps = _rate_fps(source)
        self._writer: cv2.VideoWriter | None = None
        self._written = 0
        self._began_s = 0.0
        self._newest: tuple[ColourImage, float] | None = None
        self._shown_s = 1 / self._fps  # how long the picture before the newest

    def write(self, picture: ColourImage, time_s: float) -> None:
        if self._newest is None:
            self._began_s = time_s
        else:
            self._show(*self._newest, time_s)
        self._newest = picture, time_s

    def close(self, *, complete: bool) -> None:
        if complete and self._newest is not None:
            picture, since_s = self._newest
            self._show(picture, since_s, since_s + self._shown_s)  # nobody says how long the last one lasts
        if self._writer is not None:
            self._writer.release()
            if complete:
                self._partial.replace(self._target)
            else:
                self._partial.unlink(missing_ok=True)

    def _show(self, picture: ColourImage, since_s: float, until_s: float) -> None:
        if self._writer is None:
            self._writer = self._open(picture)
        while self._written < round((until_s - self._began_s) * self._fps):
            self._writer.write(picture)
            self._written += 1
        self._shown_s = until_s - since_s

    def _open(self, first: ColourImage) -> cv2.VideoWriter:
        if not is_utf8(str(self._partial)):
            raise DataError(f"the name {str(self._target)!r} is no UTF-8, which OpenCV needs; give another folder")
        size = (first.shape[1], first.shape[0])
        writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG, CODEC, self._fps, size)
        if not writer.isOpened():
            raise DataError(f"{self._target}: the film cannot be written; is there space, and may we write there?")
        return writer


def _targets(folder: Path, inputs: Inputs) -> dict[Path, Path]:
    """Where the copy of each file goes."""
    given = {path.resolve() for path in (*(file.path for file in inputs.files), *inputs.others)}
    sources: dict[Path, Path] = {}
    for file in inputs.files:
        target = folder / (file.path.name if file.still else f"{file.path.stem}.mp4")
        if target.resolve() in given:
            raise DataError(
                f"{target}: the annotated copy of {file.path} would overwrite a source; give another folder"
            )
        if target in sources:
            raise DataError(
                f"{target}: the annotated copies of {sources[target]} and {file.path} would both get this name; "
                "annotate one after the other, into different folders"
            )
        sources[target] = file.path
    return {source: target for target, source in sources.items()}


def _rate_fps(source: Path) -> float:
    """The rate that leaves no picture out: of a film with pauses (a GIF, a recorded screen) that between them."""
    with closing(VideoFile(source)) as film:
        times_s = [picture.position_s or 0.0 for picture in islice(pictures(film), PROBE_FRAMES)]
    gaps_s = np.diff(times_s)
    if not gaps_s.size:
        return SLOWEST_FPS
    # A mean, because many a container rounds its times: thirty frames a second are 33, 33 and 34 ms apart.
    usual_s = gaps_s[gaps_s < 1.5 * gaps_s.min()].mean()
    return float(np.clip(1 / usual_s, SLOWEST_FPS, FASTEST_FPS))


def _colour(frame: Frame) -> ColourImage:
    picture = frame.colour().copy() if frame.colour else cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR)
    return picture.astype(np.uint8, copy=False)


def _write_image(target: Path, picture: ColourImage) -> None:
    encoded, content = cv2.imencode(target.suffix, picture)
    if not encoded:
        raise DataError(f"{target}: OpenCV cannot write this kind of image; convert the source to PNG or JPEG")
    write_atomically(target, content.tobytes())
