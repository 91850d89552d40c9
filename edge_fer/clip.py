"""A short video with one face in it, for trying things out where there is no camera.

It pans and zooms over the portrait of Grace Hopper that comes with matplotlib as a sample (public domain, US Navy).
"""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.camera.opencv import quieten
from edge_fer.errors import DataError

WIDTH, HEIGHT = 640, 480

_FACE = 268.0, 227.0  # its middle in the portrait, which is 512 x 600
_CHEST = 256.0, 468.0  # a view around it holds no face
_AWAY_FROM, _AWAY_UNTIL, _TURN = 0.66, 0.9, 0.06  # in loops


def write_demo_clip(path: Path, *, seconds: float = 10, fps: float = 20) -> None:
    """Write the clip; its end fits its beginning, and once a loop the view leaves the face and comes back.

    Args:
        path: where to; its suffix names the container (`.mp4`, `.mkv`, `.avi`). Replaced in one step.
        seconds: length of the loop.
        fps: pictures per second.

    Raises:
        DataError: matplotlib is not installed, or the file cannot be written.
    """
    portrait = _portrait()
    unfinished = path.with_name(f".{path.stem}-{os.getpid()}{path.suffix}")
    quieten()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(unfinished, portrait, views=_views(round(seconds * fps)), fps=fps)
        unfinished.replace(path)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


def _write(path: Path, portrait: NDArray[np.uint8], *, views: Iterable[NDArray[np.float64]], fps: float) -> None:
    size = WIDTH, HEIGHT
    writer = cv2.VideoWriter(str(path.absolute()), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), fps, size)
    if not writer.isOpened():
        raise DataError(f"{path.parent} takes no video called *{path.suffix}; right would be .mp4")
    for view in views:
        writer.write(cv2.warpAffine(portrait, view, size))
    writer.release()


def _portrait() -> NDArray[np.uint8]:
    try:
        from matplotlib.cbook import get_sample_data  # noqa: PLC0415 - heavy, and needed here only
    except ImportError as error:
        raise DataError("the demo clip is made from a photo in matplotlib: pip install matplotlib") from error
    photo = cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)))
    if photo is None:
        raise DataError("matplotlib's sample photo grace_hopper.jpg is missing; reinstall matplotlib")
    return photo.astype(np.uint8, copy=False)


def _views(count: int) -> Iterator[NDArray[np.float64]]:
    """The affine transforms from the portrait to each picture of one loop."""
    for index in range(count):
        loop = index / count
        turn = 2 * math.pi * loop
        away = _smoothstep((loop - _AWAY_FROM) / _TURN) - _smoothstep((loop - _AWAY_UNTIL) / _TURN)
        zoom = (1 - away) * (1.6 - 0.25 * math.cos(turn)) + away * 1.85
        x = (1 - away) * (_FACE[0] + 25 * math.sin(2 * turn)) + away * _CHEST[0]
        y = (1 - away) * (_FACE[1] + 15 * math.sin(turn)) + away * _CHEST[1]
        # Never look beyond the portrait's border.
        x = min(max(x, WIDTH / 2 / zoom), 512 - WIDTH / 2 / zoom)
        y = min(max(y, HEIGHT / 2 / zoom), 600 - HEIGHT / 2 / zoom)
        yield np.array([[zoom, 0, WIDTH / 2 - zoom * x], [0, zoom, HEIGHT / 2 - zoom * y]])


def _smoothstep(x: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x * x * (3 - 2 * x)
