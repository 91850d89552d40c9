"""Writes files whole or not at all."""

import contextlib
from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, then put it there in one step; whoever reads it sees the old or the new.

    Raises:
        OSError: the folder cannot be written; an older file stays as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
