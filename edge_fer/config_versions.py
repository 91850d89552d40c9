"""Older forms of the configuration file, and how each becomes the next: as text, so that comments and order stay."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import yaml

CURRENT: Final = 1
"""What `version:` says in a file of today; a file without it is of version 1."""

KeyPath: TypeAlias = tuple[str, ...]
Migration: TypeAlias = Callable[[str], str]

MIGRATIONS: Final[Mapping[int, Migration]] = {}
"""From each older version's text to that of the next; `rename` is what most of them will be made of."""


def version_of(text: str) -> int:
    """The version that a file says; that of today if it says nothing that could be one, which validation then tells."""
    found = _find(text, ("version",))
    if found is None:
        return 1
    said = found[1].value
    return int(said) if isinstance(said, str) and said.isdecimal() and int(said) > 0 else CURRENT


def migrate(text: str, migrations: Mapping[int, Migration] = MIGRATIONS, current: int = CURRENT) -> str:
    """The same configuration in the form of today; unchanged if it is, or if it is newer than we are."""
    version = version_of(text)
    if version >= current:
        return text
    for older in range(version, current):
        text = migrations[older](text)
    return _with_version(text, current)


def rename(text: str, key: KeyPath, new: str) -> str:
    """A key under another name, in its place; unchanged where it does not stand."""
    found = _find(text, key)
    if found is None:
        return text
    name = found[0]
    return text[: name.start_mark.index] + new + text[name.end_mark.index :]


def _with_version(text: str, version: int) -> str:
    found = _find(text, ("version",))
    if found is None:
        return f"version: {version}\n{text}"
    value = found[1]
    return text[: value.start_mark.index] + str(version) + text[value.end_mark.index :]


def _find(text: str, key: KeyPath) -> tuple[yaml.ScalarNode, yaml.ScalarNode] | None:
    """The nodes of a key's name and value; None where it does not stand, or the text is no YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    found = None
    for name in key:
        if not isinstance(node, yaml.MappingNode):
            return None
        found = next((pair for pair in node.value if pair[0].value == name), None)
        if found is None:
            return None
        node = found[1]
    return found
