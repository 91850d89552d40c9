"""Writes files whole or not at all."""

import contextlib
from pathlib import Path

from edge_fer.errors import EdgeFerError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, then put it there in one step; whoever reads it sees the old or the new.

    Raises:
        EdgeFerError: it cannot be written; an older file stays as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise EdgeFerError(f"{path}: cannot be written: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        EdgeFerError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeFerError(f"{path}: the folder cannot be made: {error.strerror}") from error
