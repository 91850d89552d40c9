"""`edge-fer service install|uninstall|status`."""

import argparse
import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import edge_fer
from edge_fer.configfile import load_config
from edge_fer.service.host import Host, ServiceError
from edge_fer.service.install import Step, hidden_files, install_steps, secrets_in_store
from edge_fer.service.state import state_lines
from edge_fer.service.uninstall import instance_steps, uninstall_steps
from edge_fer.service.units import Unit

NOT_WELL = 3
"""The exit code of `status` when something is amiss, as of `systemctl status`."""


def run_service(args: argparse.Namespace) -> int:
    """Do what was asked for.

    Raises:
        EdgeFerError: it cannot be done.
    """
    unit = Unit(args.instance)
    host = this_host(args.root)
    match args.action:
        case "install":
            return install(host, unit, args.config, sys.stdout, dry_run=args.dry_run)
        case "uninstall":
            return uninstall(host, unit, sys.stdout, purge=args.purge, dry_run=args.dry_run)
        case _:
            return status(host, sys.stdout)


def this_host(root: Path) -> Host:
    """The host with this very edge-fer on it."""
    program = Path(sysconfig.get_path("scripts"), "edge-fer")
    needs = (
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(edge_fer.__file__).parent,
        Path(os.path.realpath(sys.executable)),
    )
    return Host(root.resolve(), program, needs=needs)


def install(host: Host, unit: Unit, config: Path | None, out: TextIO, *, dry_run: bool) -> int:
    """Install, upgrade or repair; says each step, and nothing is done where nothing is to do."""
    done = take_steps(install_steps(host, unit, config), out, dry_run=dry_run)
    if not done:
        print(f"{unit.name} is installed and runs; nothing to do", file=out)
    if dry_run:
        return 0
    path = host.path(unit.config)
    for problem in hidden_files(load_config(path, secrets_in_store(host))):
        print(f"look at {path}: {problem}", file=out)
    print(f"its log: journalctl -u {unit.name} -f", file=out)
    return 0


def uninstall(host: Host, unit: Unit, out: TextIO, *, purge: bool, dry_run: bool) -> int:
    """Remove one instance, or all there is."""
    steps = uninstall_steps(host, purge=purge) if unit.instance is None else instance_steps(host, unit, purge=purge)
    if not take_steps(steps, out, dry_run=dry_run):
        print("nothing is installed; nothing to do", file=out)
    kept = host.path(unit.config)
    if kept.exists() and not dry_run:
        print(f"kept: {kept} (--purge removes it)", file=out)
    return 0


def status(host: Host, out: TextIO) -> int:
    """Say how it is; 0 if all is well."""
    lines = list(state_lines(host))
    for _, line in lines:
        print(line, file=out)
    return 0 if all(well for well, _ in lines) else NOT_WELL


def take_steps(steps: Iterable[Step], out: TextIO, *, dry_run: bool) -> int:
    """Say and take one step after the other; how many there were.

    Raises:
        EdgeFerError: a step failed; running the command again goes on from there.
    """
    count = 0
    for count, step in enumerate(list(steps), start=1):  # noqa: B007 - the count is what is wanted
        print(f"{'would ' if dry_run else ''}{step.text}", file=out, flush=True)
        if dry_run:
            continue
        try:
            step.take()
        except OSError as error:
            raise ServiceError(f"{error.filename}: {error.strerror}; mend that, then run this again") from error
    return count
