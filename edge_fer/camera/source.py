"""What every camera is to the rest: something that is read, picture by picture, until it is lost or over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edge_fer.errors import CameraError
from edge_fer.records import ColourImage, GrayImage


class EndOfStream(Exception):  # noqa: N818 - a signal, not an error: a file that does not loop is over
    """The source has given its last picture and was not lost."""


class UnusableSourceError(CameraError):
    """A source that no waiting will mend: a file that does not exist, a missing library, a misspelt address."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What one read of a source gives.

    Attributes:
        pixels: luminance, uint8 (height, width), owned by the picture: no driver writes into it again.
        colour: makes the BGR picture, from memory that the picture owns as well; None without colour.
        position_s: where the picture stands on the source's own time line, from 0 and growing, also over loops;
            None where there is no other time than the clock's.
    """

    pixels: GrayImage
    colour: Callable[[], ColourImage] | None = None
    position_s: float | None = None


class Source(Protocol):
    """An open camera, stream, file or folder; its constructor opens it and raises `CameraError` if it cannot."""

    @property
    def name(self) -> str:
        """How to call it in logs and on topics; never holds a password."""
        ...

    @property
    def details(self) -> str:
        """Size, pixel format and rate that were agreed on, for people."""
        ...

    def read(self) -> Picture:
        """Wait for the next picture, at most the source's read time-out.

        Raises:
            CameraError: the source is lost; it must be closed and opened anew.
            EndOfStream: it was the last one.
        """
        ...

    def close(self) -> None:
        """Let go of the device; no read may follow."""
        ...
