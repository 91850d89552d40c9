"""What is wrong with a configuration, and what would be right, in words for the person who wrote it."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic import BaseModel

from edge_fer.config import Config

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SECRET_KEYS: Final = ("password", "password_hash", "token_hash")

KeyPath: TypeAlias = tuple[str, ...]
"""Where an option stands: the names of its sections and its own."""


def sentence(error: "ErrorDetails", path: Path | None, lines: Mapping[KeyPath, int]) -> str:
    """One pydantic error as `file:line: key: problem, and what would be right`."""
    key = _key_path(error["loc"])
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
    where = f"{path or 'environment'}:{line}" if line else f"{path or 'environment'}"
    return f"{where}: {'.'.join(key)}: {_problem(error, key)}"


def _problem(error: "ErrorDetails", key: KeyPath) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        names = _section(key[:-1]).model_fields.keys()
        close = difflib.get_close_matches(key[-1], names, n=1)
        right = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"
        return f"there is no such key; {right}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    shown = "***" if key[-1] in SECRET_KEYS else _shown(value)
    return f"{shown} is not right; give {_expected(key)}"


def _shown(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a block of keys"
    return repr(value)


def _expected(key: KeyPath) -> str:
    """What a key takes, in words, from its JSON Schema."""
    owner = _section(key[:-1])
    if key[-1] not in owner.model_fields:
        return "a block of `key: value` lines"
    schema = owner.model_json_schema()
    return _in_words(schema["properties"][key[-1]], schema.get("$defs", {}))


def _in_words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    if "anyOf" in schema:
        return " or ".join(_in_words(option, definitions) for option in schema["anyOf"])
    if "enum" in schema:
        *most, last = schema["enum"]
        return f"{', '.join(most)} or {last}" if most else str(last)
    match schema["type"]:
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "array":
            return f"a list of {_in_words(schema['items'], definitions)}"
        case "object":
            return "a block of `key: value` lines"
        case "integer" | "number" as kind:
            noun = "a whole number" if kind == "integer" else "a number"
            low = f" from {schema['minimum']:g}" if "minimum" in schema else ""
            low = f" above {schema['exclusiveMinimum']:g}" if "exclusiveMinimum" in schema else low
            high = f" up to {schema['maximum']:g}" if "maximum" in schema else ""
            return f"{noun}{low}{high}"
        case _:
            pattern = schema.get("pattern")
            return f"text of the form {pattern}" if pattern else "text"


def _section(key: KeyPath) -> type[BaseModel]:
    """The block of options that a path of keys leads to."""
    section: type[BaseModel] = Config
    for name in key:
        field = section.model_fields.get(name)
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            break
        section = annotation
    return section


def _key_path(location: tuple[str | int, ...]) -> KeyPath:
    """Pydantic's location without its own additions (which alternative of a union it tried)."""
    key: list[str] = []
    for part in location:
        key.append(str(part))
        if not _is_section(tuple(key)):
            break
    return tuple(key)


def _is_section(key: KeyPath) -> bool:
    field = _section(key[:-1]).model_fields.get(key[-1])
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def by_line(problem: str) -> tuple[int, str]:
    """Sorts sentences by the line that they name."""
    number = problem.split(":", 2)[1]
    return int(number) if number.isdigit() else 0, problem
