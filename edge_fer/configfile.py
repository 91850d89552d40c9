"""From a YAML file, the environment and systemd's credentials to a `Config`, or every reason why not.

Each problem is one line, `file:line: key: what is wrong, and what would be right`.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from edge_fer.camera.address import redact
from edge_fer.config import Config
from edge_fer.config_problems import KeyPath, by_line, sentence
from edge_fer.config_versions import CURRENT, MIGRATIONS, Migration, migrate, version_of
from edge_fer.errors import ConfigError

SECRETS: Final[Mapping[str, KeyPath]] = {
    "mqtt_username": ("mqtt", "username"),
    "mqtt_password": ("mqtt", "password"),
    "web_password_hash": ("web", "password_hash"),
    "web_token_hash": ("web", "token_hash"),
}
"""Credential NAME (systemd's `LoadCredential=NAME:…`) or variable EDGE_FER_NAME (upper case) sets this key."""


NO_PASSWORD: Final = f"scrypt:{'A' * 22}==:{'A' * 43}="
"""The form of a password's hash, of which nobody knows a password."""


def load_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a configuration.

    Args:
        path: the YAML file; None means all defaults.
        environ: where the variables of `SECRETS` and `CREDENTIALS_DIRECTORY` are looked up; a credential wins over a
            variable, and a variable over the file.

    Raises:
        ConfigError: the file cannot be read or does not hold a valid configuration; lists every problem.
    """
    return _load(path, environ)[0]


def _load(path: Path | None, environ: Mapping[str, str]) -> tuple[Config, dict[KeyPath, int]]:
    """A configuration, and the line of every key of its file."""
    tree: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    if path is not None:
        tree, lines = _read_yaml(path)
    for (section, key), value in _secrets(environ).items():
        block = tree.setdefault(section, {})
        if isinstance(block, dict):  # if not, validation says what is wrong with it
            block[key] = value
    try:
        return Config.model_validate(tree), lines
    except ValidationError as invalid:
        problems = {sentence(error, path, lines) for error in invalid.errors()}  # a union's branches say the same
        raise ConfigError(*sorted(problems, key=by_line)) from None


def check_config(path: Path | None, environ: Mapping[str, str] = os.environ) -> None:
    """Look whether the daemon would take a file, and could use the files that it names.

    The commands of systemd's `ExecReload` are told of a service's credentials but not let in (systemd 252); those
    are then taken for granted.

    Raises:
        ConfigError: as `load_config`; or a model, detector, certificate, spool or film is not there or not right.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder is not None and not os.access(folder, os.R_OK | os.X_OK):
        seen = {name: value for name, value in environ.items() if name != "CREDENTIALS_DIRECTORY"}
        environ = {"EDGE_FER_WEB_PASSWORD_HASH": NO_PASSWORD, "EDGE_FER_MQTT_USERNAME": "somebody", **seen}
    config, lines = _load(path, environ)
    from edge_fer.config_needs import unusable  # noqa: PLC0415 - OpenCV and more, and its modules import this one

    problems = [_placed(problem, path, lines) for problem in unusable(config)]
    if problems:
        raise ConfigError(*sorted(problems, key=by_line))


def _placed(problem: str, path: Path | None, lines: Mapping[KeyPath, int]) -> str:
    """A sentence that begins with its key, behind file and line."""
    line = lines.get(tuple(problem.partition(":")[0].split(".")))
    return f"{path or 'environment'}{f':{line}' if line else ''}: {problem}"


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


def migrated_text(path: Path, migrations: Mapping[int, Migration] = MIGRATIONS, current: int = CURRENT) -> str:
    """What a configuration's file holds, in the form of today.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; configs/edge-fer.yaml is one to begin with") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8 text") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    return migrate(text, migrations, current)


def _read_yaml(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file as a tree of plain values, and the line of every key."""
    try:
        return _parse(path)
    except RecursionError:
        problem = "it is nested too deeply, or an alias stands within what it names; write it out"
        raise ConfigError(f"{path}: {problem}") from None


def _parse(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    text = migrated_text(path)
    if version_of(text) > CURRENT:
        raise ConfigError(
            f"{path}: version {version_of(text)} is for a newer edge-fer; this one knows {CURRENT}: upgrade it"
        )
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
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
        if not folder:
            continue
        file = Path(folder, name)
        try:
            found[key] = file.read_text(encoding="utf-8").rstrip("\n")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise ConfigError(f"{file}: the credential cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: byte {error.start} of the credential is not UTF-8") from None
    return found
