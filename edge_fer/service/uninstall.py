"""Taking the service away again, so that nothing of it is left but what its user wrote."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from edge_fer.service.host import USER, Host, ServiceError
from edge_fer.service.install import Step
from edge_fer.service.units import Unit, unit_called

PLACES: Final = (
    "/etc/systemd/system/edge-fer.service",
    "/etc/systemd/system/edge-fer@.service",
    "/etc/sysusers.d/edge-fer.conf",
    "/etc/tmpfiles.d/edge-fer.conf",
    "/var/lib/edge-fer",
)
PURGED: Final = (
    "/etc/edge-fer",
    "/etc/systemd/system/edge-fer.service.d",
    "/etc/systemd/system/edge-fer@.service.d",
)
SECRETS: Final = "edge-fer.*"
"""Of this name in /etc/credstore."""


def uninstall_steps(host: Host, *, purge: bool) -> Iterator[Step]:
    """The steps that remove every instance, all files and the user; with `purge` configurations and secrets, too.

    Raises:
        ServiceError: it is not for us to remove.
    """
    host.demand_root()
    for folder in ("/usr/lib/systemd/system", "/lib/systemd/system"):
        if host.path(f"{folder}/edge-fer.service").exists():
            raise ServiceError("edge-fer is installed as a package: run `apt remove edge-fer`, or `apt purge edge-fer`")
    for unit in installed_units(host):
        yield _disable(host, unit)
    places = [host.path(place) for place in (*PLACES, *(PURGED if purge else ()))]
    if purge:
        places += sorted(host.path("/etc/credstore").glob(SECRETS))
    there = [place for place in places if place.exists() or place.is_symlink()]
    for place in there:
        yield Step(f"remove {place}", _removing(place))
    credstore = host.path("/etc/credstore")
    is_systemds = host.path("/usr/lib/tmpfiles.d/credstore.conf").exists()  # not before systemd 254
    if there and credstore.is_dir() and not is_systemds and set(credstore.iterdir()) <= set(there):
        yield Step(f"remove {credstore}", credstore.rmdir)
    if any("systemd" in place.parts for place in there) and host.is_live:
        yield Step("let systemd forget its units", lambda: _forget(host))
    passwd = host.path("/etc/passwd")
    if passwd.is_file() and f"\n{USER}:" in f"\n{passwd.read_text(encoding='utf-8')}":
        yield Step(f"remove the user {USER}", lambda: _remove_user(host))


def instance_steps(host: Host, unit: Unit, *, purge: bool) -> Iterator[Step]:
    """The steps that remove one instance; what the others need stays.

    Raises:
        ServiceError: it is not for us to remove.
    """
    host.demand_root()
    if unit in installed_units(host):
        yield _disable(host, unit)
    places = [f"/var/lib/edge-fer/{unit.instance}", *([unit.config] if purge else [])]
    for place in (host.path(place) for place in places):
        if place.exists():
            yield Step(f"remove {place}", _removing(place))


def installed_units(host: Host) -> list[Unit]:
    """Those that start with every boot, or run."""
    links = sorted(host.path("/etc/systemd/system").glob("*.wants/edge-fer*.service"))
    names = [link.name for link in links]
    if host.is_live:
        running = host.ask("list-units", "--plain", "--no-legend", "--all", "edge-fer.service", "edge-fer@*.service")
        names += [line.split()[0] for line in running.splitlines() if line.strip()]
    # Where systemd does not run, in a container or chroot, the answer is why not.
    units = [unit_called(name) for name in dict.fromkeys(names)]
    return [unit for unit in units if unit is not None]


def _disable(host: Host, unit: Unit) -> Step:
    now = ["--now"] if host.is_live else []
    what = "stop" if host.is_live else "disable"
    return Step(f"{what} {unit.name}", lambda: host.command("systemctl", "disable", *now, unit.name))


def _forget(host: Host) -> None:
    host.command("systemctl", "daemon-reload")
    host.ask("reset-failed", "edge-fer.service", "edge-fer@*.service")  # fails for those that did not fail


def _removing(place: Path) -> Callable[[], None]:
    def remove() -> None:
        if not place.exists() and not place.is_symlink():
            return  # with the folder that it was in
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
        if place.parent.name == "sysusers.d" and not any(place.parent.iterdir()):  # which a fresh Debian lacks
            place.parent.rmdir()

    return remove


def _remove_user(host: Host) -> None:
    for config in host.path("/etc/edge-fer").glob("*"):  # whose group would be another's some day
        os.chown(config, 0, 0)
    options = [] if host.is_live else [f"--prefix={host.root}"]
    outcome = host.run(["userdel", *options, USER])
    if outcome.exit_code != 0:
        raise ServiceError(f"`userdel {USER}` failed: {outcome.text}")
