"""How the installed services do, for `edge-fer service status`."""

import os
from collections.abc import Iterator
from typing import Final

from edge_fer.configfile import load_config
from edge_fer.errors import ConfigError
from edge_fer.service.host import Host
from edge_fer.service.install import hidden_files, secrets_in_store
from edge_fer.service.uninstall import installed_units
from edge_fer.service.units import Unit

PROPERTIES: Final = ("ActiveState", "SubState", "UnitFileState", "NRestarts", "StatusText", "Result")


def state_lines(host: Host) -> Iterator[tuple[bool, str]]:
    """Whether it is well, and a line for people, of each service and each thing about it."""
    units = installed_units(host)
    if not units:
        yield False, "not installed: sudo edge-fer service install"
        return
    missing = [str(path) for path in host.files() if not path.exists()]
    packaged = host.path("/usr/lib/systemd/system/edge-fer.service").exists()
    if missing and not packaged:
        there = "are" if len(missing) > 1 else "is"
        yield False, f"half installed: {', '.join(missing)} {there} missing; run `sudo edge-fer service install` again"
    for unit in units:
        yield from _unit_lines(host, unit)


def _unit_lines(host: Host, unit: Unit) -> Iterator[tuple[bool, str]]:
    shown = host.ask("show", *(f"--property={name}" for name in PROPERTIES), unit.name)
    said = dict(line.partition("=")[::2] for line in shown.splitlines())
    active = said.get("ActiveState", "unknown")
    restarts = said.get("NRestarts", "0")
    again = "" if restarts in ("", "0") else f", restarted {restarts} times"
    how = said.get("StatusText") or (said.get("Result", "") if active == "failed" else "")
    state = f"{active} ({said.get('SubState', '')}), {said.get('UnitFileState', '')}{again}"
    yield active == "active", f"{unit.name}: {state}{f': {how}' if how else ''}"
    path = host.path(unit.config)
    if path.exists() and not os.access(path, os.R_OK, effective_ids=True):
        yield True, f"  {path}: for root and the service alone to read"
        return
    try:
        config = load_config(path, secrets_in_store(host))
    except ConfigError as error:
        for problem in error.problems:
            yield False, f"  {problem}"
        return
    yield True, f"  {path}: right"
    for problem in hidden_files(config):
        yield False, f"  {path}: {problem}"
