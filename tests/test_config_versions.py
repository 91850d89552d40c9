from pathlib import Path

import pytest

from edge_fer.config_versions import CURRENT, MIGRATIONS, migrate, rename, version_of
from edge_fer.configfile import load_config, migrated_text
from edge_fer.errors import ConfigError

OLD = """\
# my kitchen
camera:
  url: 0        # the webcam
  loop: false
mqtt: {server: "a.lan", port: 1883}
"""
NEW = """\
version: 3
# my kitchen
camera:
  source: 0        # the webcam
  loop: false
mqtt: {host: "a.lan", port: 1883}
"""
TO_3 = {
    1: lambda text: rename(text, ("camera", "url"), "source"),
    2: lambda text: rename(text, ("mqtt", "server"), "host"),
}


def test_an_older_file_becomes_todays_with_its_comments() -> None:
    assert migrate(OLD, TO_3, 3) == NEW


def test_migration_begins_with_the_files_own_version() -> None:
    assert migrate("version: 2  # mine\ncamera: {url: 0}\nmqtt: {server: a}\n", TO_3, 3) == (
        "version: 3  # mine\ncamera: {url: 0}\nmqtt: {host: a}\n"
    )


@pytest.mark.parametrize("text", [NEW, "version: 4\nmqtt: {server: a}\n"])
def test_a_file_of_today_or_tomorrow_stays_as_it_is(text: str) -> None:
    assert migrate(text, TO_3, 3) == text


@pytest.mark.parametrize(
    ("text", "version"),
    [("", 1), ("threads: 2\n", 1), ("version: 7\n", 7), ("version: new\n", CURRENT), ("- a\n", 1), ("a: [\n", 1)],
)
def test_the_version_that_a_file_says(text: str, version: int) -> None:
    assert version_of(text) == version


def test_each_older_version_has_its_migration() -> None:
    assert sorted(MIGRATIONS) == list(range(1, CURRENT))


def test_a_file_is_migrated_as_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "edge-fer.yaml"
    path.write_text(OLD)
    assert migrated_text(path, TO_3, 3) == NEW
    assert path.read_text() == OLD


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("version: 2\n", ": version 2 is for a newer edge-fer; this one knows 1: upgrade it"),
        ("version: 0\n", ":1: version: 0 is not right; give a whole number from 1 up to 1"),
        ("version: new\n", ":1: version: 'new' is not right; give a whole number from 1 up to 1"),
    ],
)
def test_a_version_that_we_do_not_know(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "edge-fer.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert caught.value.problems == (f"{path}{problem}",)
