"""Copies of pictures and films with the faces drawn in."""

from pathlib import Path
from types import TracebackType
from typing import Final

import cv2
import numpy as np

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.camera.address import IMAGE_SUFFIXES
from edge_fer.draw import draw_readings
from edge_fer.errors import DataError
from edge_fer.predict import Prediction
from edge_fer.records import ColourImage, Frame

CODEC: Final = cv2.VideoWriter.fourcc(*"mp4v")


class Annotator:
    """Writes annotated copies into a folder: an image keeps its name, a film becomes an .mp4.

    Each is written beside its final name and renamed once it is complete. To be used as a context.

    Raises:
        EdgeFerError: the folder cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._film: _Film | None = None
        make_folder(folder)

    def __enter__(self) -> "Annotator":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end_film(complete=error is None)

    def write(self, prediction: Prediction) -> None:
        """Add an image, or the next frame of a film.

        Raises:
            DataError: it cannot be written, or its copy would overwrite it.
        """
        source, frame = prediction.source, prediction.frame
        picture = _colour(frame)
        draw_readings(picture, prediction.readings)
        if self._film is not None and self._film.source != source:
            self._end_film(complete=True)
        if source.suffix.lower() in IMAGE_SUFFIXES:
            _write_image(self._target(source, source.suffix), picture)
            return
        if self._film is None:
            self._film = _Film(source, self._target(source, ".mp4"))
        self._film.write(picture, frame.time_s)

    def _target(self, source: Path, suffix: str) -> Path:
        target = self._folder / f"{source.stem}{suffix}"
        if target.resolve() == source.resolve():
            raise DataError(f"{target}: the annotated copy would overwrite its source; give another folder")
        return target

    def _end_film(self, *, complete: bool) -> None:
        if self._film is not None:
            self._film.close(complete=complete)
            self._film = None


class _Film:
    """A film that is being written; its frame rate is known with the second frame."""

    def __init__(self, source: Path, target: Path) -> None:
        self.source = source
        self._target = target
        self._partial = target.with_name(f".{target.stem}.part{target.suffix}")
        self._first: tuple[ColourImage, float] | None = None
        self._writer: cv2.VideoWriter | None = None

    def write(self, picture: ColourImage, time_s: float) -> None:
        if self._first is None:
            self._first = picture, time_s
            return
        if self._writer is None:
            first, first_s = self._first
            self._open(first, 1 / (time_s - first_s))
        assert self._writer is not None  # noqa: S101 - opened above
        self._writer.write(picture)

    def close(self, *, complete: bool) -> None:
        if self._writer is None and self._first is not None and complete:
            self._open(self._first[0], 1.0)
        if self._writer is not None:
            self._writer.release()
            if complete:
                self._partial.replace(self._target)
            else:
                self._partial.unlink(missing_ok=True)

    def _open(self, first: ColourImage, fps: float) -> None:
        size = (first.shape[1], first.shape[0])
        self._writer = cv2.VideoWriter(str(self._partial), cv2.CAP_FFMPEG, CODEC, fps, size)
        if not self._writer.isOpened():
            raise DataError(f"{self._target}: the film cannot be written; is there space, and may we write there?")
        self._writer.write(first)


def _colour(frame: Frame) -> ColourImage:
    picture = frame.colour().copy() if frame.colour else cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR)
    return picture.astype(np.uint8, copy=False)


def _write_image(target: Path, picture: ColourImage) -> None:
    encoded, content = cv2.imencode(target.suffix, picture)
    if not encoded:
        raise DataError(f"{target}: OpenCV cannot write this kind of image; convert the source to PNG or JPEG")
    write_atomically(target, content.tobytes())
