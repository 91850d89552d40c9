import io
import logging
import os
import socket
import struct
import sys
from pathlib import Path

import pytest

from edge_fer.journal import JournalHandler, encode_entry, is_journal, log_handler


def test_a_value_of_several_lines_is_told_with_its_length() -> None:
    assert encode_entry({"MESSAGE": "Camera lost", "TEXT": "ä\nb"}) == (
        b"MESSAGE=Camera lost\n" + b"TEXT\n" + struct.pack("<Q", 4) + b"\xc3\xa4\nb" + b"\n"
    )


def test_a_monster_is_cut() -> None:
    assert len(encode_entry({"MESSAGE": "x" * 1_000_000})) == 64 * 1024 + len("MESSAGE=\n")


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_an_entry_has_priority_fields_and_origin(level: int, priority: int, tmp_path: Path) -> None:
    address = str(tmp_path / "journal")
    fields = {"EDGE_FER_DEVICE": "kitchen"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        handler = JournalHandler(fields, address)
        fields["EDGE_FER_TRACKS"] = "2"  # noted from now on
        handler.emit(logging.LogRecord("edge_fer.camera", level, "/a/b.py", 7, "lost %s", ("0",), None, "next"))
        handler.close()
        entry = journal.recv(4096).decode().splitlines()
    assert entry == [
        "MESSAGE=lost 0",
        f"PRIORITY={priority}",
        "SYSLOG_IDENTIFIER=edge-fer",
        "LOGGER=edge_fer.camera",
        "THREAD_NAME=MainThread",
        "CODE_FILE=/a/b.py",
        "CODE_LINE=7",
        "CODE_FUNC=next",
        "EDGE_FER_DEVICE=kitchen",
        "EDGE_FER_TRACKS=2",
    ]


def test_a_traceback_belongs_to_its_entry(tmp_path: Path) -> None:
    address = str(tmp_path / "journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(address)
        handler = JournalHandler({}, address)
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            handler.emit(logging.LogRecord("a", logging.ERROR, "/a", 1, "It broke", (), sys.exc_info()))
        handler.close()
        entry = journal.recv(8192)
    assert entry.startswith(b"MESSAGE\n")
    [length] = struct.unpack("<Q", entry[8:16])
    message = entry[16 : 16 + length].decode()
    assert message.startswith("It broke\nTraceback (most recent call last):\n")
    assert message.endswith("ZeroDivisionError: division by zero")


def test_a_journal_that_is_away_costs_a_line_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = JournalHandler({}, str(tmp_path / "journal"))
    handler.handle(logging.LogRecord("a", logging.ERROR, "/a", 1, "lost", (), None))
    handler.close()
    assert capsys.readouterr() == ("", "")


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        there = os.fstat(stream.fileno())
        assert is_journal(stream, {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino}"})
        assert not is_journal(stream, {"JOURNAL_STREAM": f"{there.st_dev}:{there.st_ino + 1}"})
        assert not is_journal(stream, {})
    assert not is_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})


def test_without_a_journal_lines_have_their_time() -> None:
    stream = io.StringIO()
    handler = log_handler(stream, {}, {})
    record = logging.LogRecord("edge_fer.daemon", logging.INFO, "/a", 1, "Paused", (), None)
    record.created = record.msecs = 0
    handler.handle(record)
    assert stream.getvalue().endswith(" INFO edge_fer.daemon: Paused\n")
    assert stream.getvalue()[4] == "-"
