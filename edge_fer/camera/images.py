"""A folder of images, or one image, read in the order of their names."""

import logging
from pathlib import Path

import numpy as np

from edge_fer.camera.address import IMAGE_SUFFIXES
from edge_fer.camera.opencv import OversizeError, decode
from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError

_log = logging.getLogger(__name__)


class Images:
    """The images of a folder (not of its subfolders), or a single image file.

    In a folder an image that cannot be read is passed over with one line in the log.

    Args:
        path: folder or file.
        loop: begin again after the last one.
        fps: images per second of their time line.

    Raises:
        UnusableSourceError: there is no image.
    """

    def __init__(self, path: str | Path, *, loop: bool = False, fps: float = 30) -> None:
        self.name = str(path)
        root = Path(path)
        self._alone = not root.is_dir()
        try:
            found = [root] if self._alone else sorted(root.iterdir())
        except OSError as error:
            raise UnusableSourceError(f"the folder {path} cannot be read: {error.strerror}") from error
        self._paths = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
        if not self._paths:
            kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
            raise UnusableSourceError(f"the folder {path} holds no image; it may hold {kinds}")
        self.details = f"{len(self._paths)} image{'s' if len(self._paths) > 1 else ''}"
        self._loop, self._fps = loop, fps
        self._next, self._given = 0, 0
        self._given_before = 0  # this round
        self._faults: dict[Path, str] = {}

    def read(self) -> Picture:
        """The next image that can be read.

        Raises:
            EndOfStream: there was no further one.
            UnusableSourceError: not one of them can be read, or can any more.
        """
        while True:
            if self._next == len(self._paths):
                if self._given == self._given_before:
                    raise UnusableSourceError(self._complaint())
                if not self._loop:
                    raise EndOfStream
                self._next, self._given_before = 0, self._given
            path = self._paths[self._next]
            self._next += 1
            picture = self._picture(path)
            if picture is not None:
                self._given += 1
                return picture

    def close(self) -> None:
        """Nothing is held."""

    def _complaint(self) -> str:
        if self._alone:
            return f"the image {self.name} cannot be read: {self._faults[self._paths[0]]}"
        return f"none of the images in {self.name} can be read{' any more' if self._given else ''}"

    def _picture(self, path: Path) -> Picture | None:
        fault = "it is no image"
        picture = None
        try:
            picture = decode(np.fromfile(path, np.uint8), self._given / self._fps)
        except OversizeError as error:
            fault = str(error)
        except OSError as error:
            fault = error.strerror or str(error)
        if picture is None:
            if not self._alone and path not in self._faults:
                _log.warning("%s is passed over: %s", path, fault)
            self._faults[path] = fault
        return picture
