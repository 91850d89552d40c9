from pathlib import Path

import pytest

from edge_fer.atomic import write_atomically


def test_the_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_no_part_behind(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    target.mkdir()
    (target / "in the way").touch()
    with pytest.raises(OSError, match=r"card\.json"):
        write_atomically(target, b"new")
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nowhere" / "card.json", b"new")
