"""A folder, a zip archive of one and a single file, seen alike: relative paths and what is behind them."""

import io
import zipfile
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from edge_fer.errors import DataError


class FolderTree:
    """The files under a folder, or one file beside others that are none of our business.

    Args:
        root: the folder.
        only: the name of the one file that counts.
    """

    def __init__(self, root: Path, only: str | None = None) -> None:
        self.root = root
        self._only = only

    @cached_property
    def paths(self) -> list[str]:
        """Relative POSIX paths of all files, sorted; hidden ones left out."""
        if self._only is not None:
            return [self._only]
        found = (p.relative_to(self.root) for p in self.root.rglob("*") if p.is_file())
        return sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))

    def read(self, path: str) -> bytes:
        """The content of one file."""
        return (self.root / path).read_bytes()

    def open_text(self, path: str) -> io.TextIOBase:
        """Open one file to read UTF-8 text; line ends stay as they are, as the csv module wants them."""
        return (self.root / path).open(encoding="utf-8-sig", newline="")

    def stamp(self) -> str:
        """Changes whenever a file is added, removed or written."""
        stats = ((path, (self.root / path).stat()) for path in self.paths)
        return "\n".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)


class ZipTree:
    """The files in a zip archive, read without unpacking it."""

    def __init__(self, archive: Path) -> None:
        self.root = archive
        try:
            self._zip = zipfile.ZipFile(archive)
        except zipfile.BadZipFile as error:
            raise DataError(f"{archive}: neither a folder, a CSV file nor a zip archive ({error}).") from error

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

    def open_text(self, path: str) -> io.TextIOBase:
        """Open one file to read UTF-8 text; line ends stay as they are, as the csv module wants them."""
        return io.TextIOWrapper(self._zip.open(path), encoding="utf-8-sig", newline="")

    def stamp(self) -> str:
        """Changes whenever the archive is written."""
        stat = self.root.stat()
        return f"{stat.st_size} {stat.st_mtime_ns}"


Tree: TypeAlias = FolderTree | ZipTree


def open_tree(source: Path) -> Tree:
    """Open a folder, a zip archive or a CSV file.

    Raises:
        DataError: it is none of them.
    """
    if source.is_dir():
        return FolderTree(source)
    if not source.exists():
        raise DataError(f"{source}: no such file or folder.")
    if source.suffix.lower() == ".csv":
        return FolderTree(source.parent, only=source.name)
    return ZipTree(source)
