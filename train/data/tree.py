"""A folder and a zip archive of one, seen alike: relative paths and the bytes behind them."""

import zipfile
from functools import cached_property
from pathlib import Path

from edge_fer.errors import DataError


class FolderTree:
    """The files under a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> list[str]:
        """Relative POSIX paths of all files, sorted; hidden ones left out."""
        found = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))

    def read(self, path: str) -> bytes:
        """The content of one file."""
        return (self.root / path).read_bytes()


class ZipTree:
    """The files in a zip archive, read without unpacking it."""

    def __init__(self, archive: Path) -> None:
        self.root = archive
        try:
            self._zip = zipfile.ZipFile(archive)
        except zipfile.BadZipFile as error:
            raise DataError(f"{archive}: no zip archive ({error}).") from error

    @cached_property
    def paths(self) -> list[str]:
        """Relative POSIX paths of all files, sorted; hidden ones and macOS' resource forks left out."""
        names = (n for n in self._zip.namelist() if not n.endswith("/"))
        return sorted(n for n in names if not any(p.startswith((".", "__MACOSX")) for p in n.split("/")))

    def read(self, path: str) -> bytes:
        """The content of one file.

        Raises:
            DataError: the archive is damaged there.
        """
        try:
            return self._zip.read(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise DataError(f"{self.root}: {path} cannot be read ({error}).") from error


Tree = FolderTree | ZipTree


def open_tree(source: Path) -> Tree:
    """Open a folder or a zip archive.

    Raises:
        DataError: it is neither.
    """
    if source.is_dir():
        return FolderTree(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    return ZipTree(source)
