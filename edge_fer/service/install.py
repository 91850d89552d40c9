"""What is to be done so that the daemon runs as a service: steps that can be shown before they are taken."""

import contextlib
import importlib.util
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.config import Config
from edge_fer.config_versions import CURRENT, version_of
from edge_fer.configfile import SECRETS, load_config, migrated_text
from edge_fer.service.host import HIDDEN, MARK, USER, Host, ServiceError
from edge_fer.service.units import Unit

STARTER: Final = """\
# What edge-fer runs with. Every option with its default and meaning: `edge-fer config --print`, and the project's
# configs/edge-fer.yaml. After a change: sudo systemctl reload {unit}
version: {version}
camera:
  source: {source}
mqtt:
  host: localhost           # its password belongs into /etc/credstore/edge-fer.mqtt_password
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do: a line that says what, and the doing of it."""

    text: str
    take: Callable[[], None]


def install_steps(host: Host, unit: Unit, config: Path | None, *, has_pi_camera: bool | None = None) -> list[Step]:
    """The steps from how the host is to a running service; none, if it runs as it should.

    A step that was taken is not offered again: what broke off half-way is finished by doing it anew.

    Args:
        host: where.
        unit: which of the services.
        config: what it shall run with; None: what it has, or else the defaults.
        has_pi_camera: whether a new configuration asks for picamera2; None: if it can be imported.

    Raises:
        ServiceError: it cannot be installed as things stand.
        ConfigError: the configuration is wrong.
    """
    _refuse_what_cannot_work(host, unit)
    target = host.path(unit.config)
    text = _config_text(host, unit, config, has_pi_camera=has_pi_camera)
    files, configs = list(_file_steps(host)), list(_config_steps(host, target, text))
    return [
        *files,
        *configs,
        *_start_steps(host, unit, changed=bool(files or configs)),
    ]


def hidden_files(config: Config) -> list[str]:
    """Sentences about files of a configuration that the service cannot see, or would look for elsewhere."""
    named = {
        "camera.source": config.camera.source,
        "detector.model": config.detector.model,
        "model": config.model if config.model.endswith(".tflite") else None,
        "mqtt.tls.ca_file": config.mqtt.tls.ca_file,
        "mqtt.tls.cert_file": config.mqtt.tls.cert_file,
        "mqtt.tls.key_file": config.mqtt.tls.key_file,
        "mqtt.events.spool": config.mqtt.events.spool,
        "web.cert_file": config.web.cert_file,
        "web.key_file": config.web.key_file,
    }
    sentences = []
    for key, value in named.items():
        if not isinstance(value, Path | str) or "://" in str(value) or str(value) in ("picamera2", "pattern"):
            continue
        if not Path(value).is_absolute():
            sentences.append(f"{key}: {value} is looked for in /var/lib/edge-fer; give the whole path")
        elif _is_below(Path(value), HIDDEN):
            sentences.append(f"{key}: {value} is hidden from the service; put it below /var/lib/edge-fer")
        elif key.endswith("spool") and not _is_below(Path(value), ("/var/lib/edge-fer",)):
            sentences.append(f"{key}: {value} cannot be written by the service; put it below /var/lib/edge-fer")
    return sentences


def secrets_in_store(host: Host) -> dict[str, str]:
    """The secrets that the service will be handed, as environment variables, so that a configuration can be judged."""
    environ = {}
    for name in SECRETS:
        with contextlib.suppress(FileNotFoundError, PermissionError):  # it may be missing; only root may look
            secret = host.path(f"/etc/credstore/edge-fer.{name}").read_text(encoding="utf-8")
            environ[f"EDGE_FER_{name.upper()}"] = secret.rstrip("\n")
    return environ


def _refuse_what_cannot_work(host: Host, unit: Unit) -> None:
    _refuse_system(host, unit)
    _refuse_program(host)


def _refuse_system(host: Host, unit: Unit) -> None:
    host.demand_root()
    if host.is_live and not Path("/run/systemd/system").is_dir():
        raise ServiceError("this system was not started by systemd, so it cannot run a service of it")
    for folder in ("/usr/lib/systemd/system", "/lib/systemd/system"):
        if host.path(f"{folder}/edge-fer.service").exists():
            raise ServiceError(
                f"edge-fer is installed as a package, which brought {folder}/edge-fer.service: "
                f"run `systemctl enable --now {unit.name}`"
            )
    for path in host.files():
        if path.name.startswith("edge-fer") and path.suffix == ".service" and _is_foreign(path):
            raise ServiceError(f"{path} is not from `{MARK}`: move it away, then run this again")


def _refuse_program(host: Host) -> None:
    program = host.path(str(host.program))
    if not program.exists():
        raise ServiceError(f"there is no {program}; install edge-fer there first")
    for path in (host.program, *host.needs):
        if _is_below(path, HIDDEN):
            raise ServiceError(
                f"{path} is hidden from services: install edge-fer where they can see it, as in "
                "`sudo python3 -m venv /opt/edge-fer`, and run that one"
            )
        closed = [part for part in (path, *path.parents) if host.is_live and not part.stat().st_mode & stat.S_IXOTH]
        if closed:
            raise ServiceError(f"{closed[-1]} is closed to the service's user: sudo chmod -R o+rX {closed[-1]}")


def _is_foreign(path: Path) -> bool:
    if path.is_symlink():  # masked
        return True
    return path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace")


def _is_below(path: Path, folders: tuple[str, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _config_text(host: Host, unit: Unit, config: Path | None, *, has_pi_camera: bool | None) -> str:
    """What shall stand in the configuration's file.

    Raises:
        ConfigError: it is wrong.
    """
    target = host.path(unit.config)
    source = config or (target if target.exists() else None)
    if source is None:
        if has_pi_camera is None:
            has_pi_camera = importlib.util.find_spec("picamera2") is not None
        return STARTER.format(unit=unit.name, version=CURRENT, source="picamera2" if has_pi_camera else 0)
    load_config(source, secrets_in_store(host))
    return migrated_text(source)


def _file_steps(host: Host) -> Iterator[Step]:
    for path, content in host.files().items():
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        yield Step(f"{'replace' if path.exists() else 'write'} {path}", _writing(path, content))
    if f"{USER}:" not in _read(host.path("/etc/passwd")):
        yield Step(
            f"make the user {USER}, in the group video",
            lambda: host.command("systemd-sysusers", _below(host, "/etc/sysusers.d/edge-fer.conf")),
        )
    if not (host.path("/etc/edge-fer").is_dir() and host.path("/etc/credstore").is_dir()):
        yield Step(
            "make the folders /etc/edge-fer and /etc/credstore",
            lambda: host.command("systemd-tmpfiles", "--create", _below(host, "/etc/tmpfiles.d/edge-fer.conf")),
        )


def _config_steps(host: Host, target: Path, text: str) -> Iterator[Step]:
    old = _read(target)
    if old and old != text:
        backup = target.with_name(f"{target.name}.v{version_of(old)}") if version_of(old) != CURRENT else None
        backup = backup or target.with_name(f"{target.name}.old")
        yield Step(f"keep the present configuration as {backup}", lambda: _copy(target, backup))
    if old != text or not target.exists():
        yield Step(f"write {target}", lambda: _write_config(host, target, text))
    elif not _can_service_read(host, target):
        yield Step(f"let the service read {target}", lambda: _hand_to_service(host, target))


def _start_steps(host: Host, unit: Unit, *, changed: bool) -> Iterator[Step]:
    changed = changed or host.ask("show", "--property=NeedDaemonReload", "--value", unit.name) == "yes"
    if changed and host.is_live:
        yield Step("let systemd read its units anew", lambda: host.command("systemctl", "daemon-reload"))
    if host.ask("is-enabled", unit.name) != "enabled":
        yield Step(f"start {unit.name} with every boot", lambda: host.command("systemctl", "enable", unit.name))
    if not host.is_live:
        return
    if host.ask("is-active", unit.name) != "active":
        yield Step(f"start {unit.name} now", lambda: host.command("systemctl", "start", unit.name))
    elif changed:
        yield Step(f"restart {unit.name}", lambda: host.command("systemctl", "restart", unit.name))


def _writing(path: Path, content: str) -> Callable[[], None]:
    def write() -> None:
        make_folder(path.parent)
        write_atomically(path, content.encode())
        path.chmod(0o644)

    return write


def _write_config(host: Host, target: Path, text: str) -> None:
    """For root to write and the service to read: it may hold what not everybody shall see."""
    write_atomically(target, text.encode())
    _hand_to_service(host, target)


def _hand_to_service(host: Host, target: Path) -> None:
    group = _service_group(host)
    if group is None:
        raise ServiceError(f"there is no group {USER} in /etc/group, though systemd-sysusers was to make it")
    target.chmod(0o640)
    os.chown(target, 0, group)


def _can_service_read(host: Host, target: Path) -> bool:
    there = target.stat()
    is_groups = there.st_gid == _service_group(host) and bool(there.st_mode & stat.S_IRGRP)
    return is_groups or bool(there.st_mode & stat.S_IROTH)


def _service_group(host: Host) -> int | None:
    rows = (line.split(":") for line in _read(host.path("/etc/group")).splitlines())
    return next((int(row[2]) for row in rows if row[0] == USER), None)


def _copy(source: Path, target: Path) -> None:
    shutil.copy2(source, target)
    there = source.stat()
    os.chown(target, there.st_uid, there.st_gid)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _below(host: Host, path: str) -> str:
    """As systemd's programs take it: relative to their --root."""
    return path if host.is_live else str(host.path(path))
