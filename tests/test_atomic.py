from pathlib import Path

import pytest

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.errors import EdgeFerError


def test_the_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failure_leaves_no_part_behind(tmp_path: Path) -> None:
    target = tmp_path / "card.json"
    target.mkdir()
    with pytest.raises(EdgeFerError) as error:
        write_atomically(target, b"new")
    assert str(error.value) == f"{target}: cannot be written: Is a directory"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "card.json"
    with pytest.raises(EdgeFerError) as error:
        write_atomically(target, b"new")
    assert str(error.value) == f"{target}: cannot be written: No such file or directory"


def test_a_folder_is_made_with_those_above_it(tmp_path: Path) -> None:
    for _ in range(2):
        make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(EdgeFerError) as error:
        make_folder(tmp_path / "a")
    assert str(error.value) == f"{tmp_path / 'a'}: the folder cannot be made: File exists"
