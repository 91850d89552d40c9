"""From a YAML file, the environment and systemd's credentials to a `Config`, or every reason why not.

Each problem is one line, `file:line: key: what is wrong, and what would be right`.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml
from pydantic import BaseModel, ValidationError

from edge_fer.camera.address import redact
from edge_fer.config import Config
from edge_fer.errors import ConfigError

KeyPath: TypeAlias = tuple[str, ...]

SECRETS: Final[Mapping[str, KeyPath]] = {
    "mqtt_username": ("mqtt", "username"),
    "mqtt_password": ("mqtt", "password"),
}
"""Credential NAME (systemd's `LoadCredential=NAME:…`) or variable EDGE_FER_NAME (upper case) sets this key."""


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration.

    Args:
        path: the YAML file; None means all defaults.
        environ: where `EDGE_FER_MQTT_USERNAME`, `EDGE_FER_MQTT_PASSWORD` and `CREDENTIALS_DIRECTORY` are looked
            up; a credential wins over a variable, and a variable over the file.

    Raises:
        ConfigError: the file cannot be read or does not hold a valid configuration; lists every problem.
    """
    tree: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    if path is not None:
        tree, lines = _read_yaml(path)
    for (section, key), value in _secrets(environ).items():
        block = tree.setdefault(section, {})
        if isinstance(block, dict):  # if not, validation says what is wrong with it
            block[key] = value
    try:
        return Config.model_validate(tree)
    except ValidationError as invalid:
        problems = {_sentence(error, path, lines) for error in invalid.errors()}  # a union's branches say the same
        raise ConfigError(*sorted(problems, key=_by_line)) from None


def masked(config: Config) -> dict[str, Any]:
    """The effective configuration as plain values, with every password, also one in the camera's URL, hidden."""
    values: dict[str, Any] = config.model_dump(mode="json")
    values["device"] = config.device_name
    source = config.camera.source
    if isinstance(source, str) and "://" in source:
        values["camera"]["source"] = redact(source)
    return values


def as_yaml(config: Config) -> str:
    """The effective configuration in YAML, secrets hidden."""
    return yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file as a tree of plain values, and the line of every key."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; configs/edge-fer.yaml is one to begin with") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        what = getattr(error, "problem", None) or "not readable as text"
        raise ConfigError(f"{where}: this is not YAML: {what}; look at the indentation and quotes here") from None
    if node is None:
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(f"{path}:1: the file must hold `key: value` lines, as configs/edge-fer.yaml does")
    lines: dict[KeyPath, int] = {}
    problems = list(_collect_lines(node, (), lines, path))
    if problems:
        raise ConfigError(*problems)
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:  # a tag or value that SafeLoader cannot construct
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else f"{path}"
        raise ConfigError(f"{where}: {getattr(error, 'problem', error)}; give a plain value") from None
    return tree, lines


def _collect_lines(node: yaml.MappingNode, prefix: KeyPath, lines: dict[KeyPath, int], path: Path) -> Iterator[str]:
    """Note every key's line; yield a problem for each key that stands twice, which YAML would silently allow."""
    for key_node, value_node in node.value:
        key = (*prefix, str(key_node.value))
        line = key_node.start_mark.line + 1
        if key in lines:
            yield f"{path}:{line}: {'.'.join(key)}: already set in line {lines[key]}; keep one of the two"
        lines[key] = line
        if isinstance(value_node, yaml.MappingNode):
            yield from _collect_lines(value_node, key, lines, path)


def _secrets(environ: Mapping[str, str]) -> dict[KeyPath, str]:
    """Values for secret keys from outside the file."""
    found: dict[KeyPath, str] = {}
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for name, key in SECRETS.items():
        variable = f"EDGE_FER_{name.upper()}"
        if variable in environ:
            found[key] = environ[variable]
        file = Path(folder, name) if folder else None
        if file is not None and file.is_file():
            try:
                found[key] = file.read_text(encoding="utf-8").rstrip("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{file}: the credential cannot be read: {error}") from None
    return found


def _sentence(error: Any, path: Path | None, lines: Mapping[KeyPath, int]) -> str:
    """One pydantic error as `file:line: key: problem, and what would be right`."""
    key = _key_path(error["loc"])
    line = next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)
    where = f"{path or 'environment'}:{line}" if line else f"{path or 'environment'}"
    return f"{where}: {'.'.join(key)}: {_problem(error, key)}"


def _problem(error: Any, key: KeyPath) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        names = _section(key[:-1]).model_fields.keys()
        close = difflib.get_close_matches(key[-1], names, n=1)
        right = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}"
        return f"there is no such key; {right}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    shown = "***" if key[-1] == "password" else _shown(value)
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
    section: type[BaseModel] | None = Config
    for part in location:
        if section is None:
            break
        key.append(str(part))
        section = _section(tuple(key)) if _is_section(tuple(key)) else None
    return tuple(key)


def _is_section(key: KeyPath) -> bool:
    field = _section(key[:-1]).model_fields.get(key[-1])
    return field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _by_line(problem: str) -> tuple[int, str]:
    number = problem.split(":", 2)[1]
    return int(number) if number.isdigit() else 0, problem
