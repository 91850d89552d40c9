"""The spool through power cuts, at any moment between two system calls and with whatever the disk had not promised yet.

A writer runs under strace. From what it asked the kernel to do, the test works out what a disk may hold after a power
cut: all that was synchronised, and of the rest any part, down to single sectors (the way of Pillai et al., "All file
systems are not created equal", OSDI 2014).
"""

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_fer.publish.spool import Spool
from tests.conftest import require

SECTOR = 512
CUTS = 200
WAITING = 20

WRITER = f"""
import os, sys
from pathlib import Path
from edge_fer.publish.spool import Spool

rows = []
for session in range(2):
    spool = Spool(Path(sys.argv[1]))
    for number in range(400 * session, 400 * session + 400):
        rows.append((number, spool.add(1.0, "a/event", b"%d" % number * 40)))
        os.write(1, b"added %d\\n" % number)
        if len(rows) > {WAITING}:
            arrived, row = rows.pop(0)
            spool.remove(row)
            os.write(1, b"removed %d\\n" % arrived)
    spool.close()
"""

CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
HELD = re.compile(r"^(\d+)<([^>]*)>(?:, )?(.*)$")


@dataclass
class Inode:
    """A file's content that the disk has promised, and the writes that it has not."""

    safe: bytes = b""
    loose: list[tuple[int, bytes | None]] = field(default_factory=list)
    """Each an offset and the bytes written there; None: the file was cut off there."""

    def after_cut(self, chance: random.Random) -> bytes:
        likely = chance.choice((0.0, 0.5, 1.0))
        content = bytearray(self.safe)
        for offset, data in self.loose:
            if data is None:
                if chance.random() < likely:
                    del content[offset:]
                    content += bytes(offset - len(content))
                continue
            for start in range(0, len(data), SECTOR):
                if chance.random() < likely:
                    end = offset + min(start + SECTOR, len(data))
                    content += bytes(max(0, end - len(content)))
                    content[offset + start : end] = data[start : start + SECTOR]
        return bytes(content)

    def synchronise(self) -> None:
        content = bytearray(self.safe)
        for offset, data in self.loose:
            if data is None:
                del content[offset:]
                content += bytes(offset - len(content))
            else:
                content += bytes(max(0, offset + len(data) - len(content)))
                content[offset : offset + len(data)] = data
        self.safe, self.loose = bytes(content), []


class Disk:
    """The folder as the system calls leave it."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._safe_names: dict[str, Inode] = {}
        self._loose_names: list[dict[str, Inode]] = []
        self.told: dict[str, set[int]] = {"added": set(), "removed": set()}

    @property
    def _names(self) -> dict[str, Inode]:
        return self._loose_names[-1] if self._loose_names else self._safe_names

    def take(self, call: str, arguments: str) -> None:
        """One system call that succeeded."""
        if call == "openat":
            path, _, flags = arguments.partition(", ")[2].partition(", ")
            name = text(path.strip('"'))
            if "O_CREAT" in flags and name.startswith(self._folder) and name not in self._names:
                self._loose_names.append({**self._names, name: Inode()})
        elif call == "unlink":
            self._loose_names.append(
                {name: node for name, node in self._names.items() if name != text(arguments.strip('"'))}
            )
        elif (held := HELD.match(arguments)) is not None:
            self._take_held(call, int(held[1]), text(held[2]), held[3])

    def _take_held(self, call: str, number: int, name: str, rest: str) -> None:
        if call == "write" and number == 1:
            [word, value] = text(rest.split('"')[1]).split()
            self.told[word].add(int(value))
        elif name == self._folder and call in ("fsync", "fdatasync"):
            self._safe_names, self._loose_names = self._names, []
        elif name in self._names:
            node = self._names[name]
            if call == "pwrite64":
                _, data, place = rest.split('"')
                node.loose.append((int(place.split(", ")[2]), raw(data)))
            elif call == "ftruncate":
                node.loose.append((int(rest), None))
            elif call in ("fsync", "fdatasync"):
                node.synchronise()

    def after_cut(self, chance: random.Random) -> dict[str, bytes]:
        names = chance.choice([self._safe_names, *self._loose_names])
        return {Path(name).name: node.after_cut(chance) for name, node in names.items()}


def raw(hexadecimal: str) -> bytes:
    return bytes.fromhex(hexadecimal.replace("\\x", ""))


def text(hexadecimal: str) -> str:
    return raw(hexadecimal).decode() if hexadecimal.startswith("\\x") else hexadecimal


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Iterator[tuple[str, str]]]:
    """The writer's successful system calls, and their arguments."""
    trace, spool = tmp_path / "trace", tmp_path / "spool" / "events.db"
    spool.parent.mkdir()
    traced = "openat,unlink,write,pwrite64,ftruncate,fsync,fdatasync"
    quick = "inject=fsync,fdatasync:retval=0"  # they are asked for, and that is enough
    options: list[str | Path] = ["-f", "-y", "-xx", "-s", "10000", "-e", f"trace={traced}", "-e", quick, "-o", trace]
    subprocess.run([require("strace"), *options, sys.executable, "-c", WRITER, spool], check=True, capture_output=True)
    with trace.open() as lines:
        found = (CALL.match(line) for line in lines)
        yield ((call[1], call[2]) for call in found if call and not call[3].startswith("-"))


@pytest.mark.real
def test_after_a_power_cut_every_event_that_waited_is_there_once(calls: Iterator[Any], tmp_path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - nothing secret
    disk = Disk(tmp_path / "spool")
    done = 0
    cuts = 0
    for call, arguments in calls:
        disk.take(call, arguments)
        if not disk.told["added"]:
            continue
        done += 1
        if chance.random() > CUTS / 8000:
            continue
        cuts += 1
        folder = tmp_path / f"cut{cuts}"
        folder.mkdir()
        for name, content in disk.after_cut(chance).items():
            (folder / name).write_bytes(content)
        spool = Spool(folder / "events.db")
        numbers = [int(left.payload[: len(left.payload) // 40]) for left in spool.waiting()]
        spool.close()
        added, removed = disk.told["added"], disk.told["removed"]
        assert numbers == sorted(set(numbers))
        in_doubt = {max(added) + 1, max(removed, default=-1) + 1}
        assert set(numbers) ^ (added - removed) <= in_doubt, f"cut {cuts}, after call {done}"
        assert [path.name for path in folder.iterdir()] == ["events.db"], "nothing was set aside as damaged"
    assert cuts > CUTS / 2
    assert disk.told["added"] == set(range(800))
