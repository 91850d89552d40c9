"""A folder of images, or one image, read in the order of their names."""

import logging
from pathlib import Path

import numpy as np

from edge_fer.camera.address import IMAGE_SUFFIXES
from edge_fer.camera.opencv import decode
from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError

_log = logging.getLogger(__name__)


class Images:
    """The images of a folder (not of its subfolders), or a single image file.

    An image that cannot be read is passed over with one line in the log.

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
        try:
            found = sorted(root.iterdir()) if root.is_dir() else [root]
        except OSError as error:
            raise UnusableSourceError(f"the folder {path} cannot be read: {error.strerror}") from error
        self._paths = [p for p in found if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
        if not self._paths:
            kinds = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
            raise UnusableSourceError(f"the folder {path} holds no image; it may hold {kinds}")
        self.details = f"{len(self._paths)} image{'s' if len(self._paths) > 1 else ''}"
        self._loop, self._fps = loop, fps
        self._next, self._given = 0, 0
        self._unreadable: set[Path] = set()

    def read(self) -> Picture:
        """The next image that can be read.

        Raises:
            EndOfStream: there was no further one.
            UnusableSourceError: not one of them can be read.
        """
        while True:
            if self._next == len(self._paths):
                if not self._given:
                    raise UnusableSourceError(f"none of the images in {self.name} can be read")
                if not self._loop:
                    raise EndOfStream
                self._next = 0
            path = self._paths[self._next]
            self._next += 1
            picture = self._picture(path)
            if picture is not None:
                self._given += 1
                return picture

    def close(self) -> None:
        """Nothing is held."""

    def _picture(self, path: Path) -> Picture | None:
        reason = "it is no image"
        picture = None
        try:
            picture = decode(np.fromfile(path, np.uint8), self._given / self._fps)
        except OSError as error:
            reason = error.strerror or str(error)
        if picture is None and path not in self._unreadable:
            self._unreadable.add(path)
            _log.warning("%s is passed over: %s", path, reason)
        return picture
