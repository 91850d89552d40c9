import io
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edge_fer.service.command import status
from edge_fer.service.host import Host, Outcome, ServiceError
from edge_fer.service.uninstall import installed_units
from edge_fer.service.units import Unit
from tests.service.conftest import KITCHEN, ONE, put, take_away, tree

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")


def test_uninstalled_nothing_is_left_but_the_configuration(host: Host) -> None:
    before = tree(host.root)
    put(host)
    put(host, KITCHEN)
    state = host.root / "var/lib/edge-fer/kitchen"
    state.mkdir(parents=True)
    (state / "spool").touch()
    configs = {path: text for path, text in tree(host.root).items() if path.startswith("/etc/edge-fer/")}
    assert set(configs) == {"/etc/edge-fer/edge-fer.yaml", "/etc/edge-fer/kitchen.yaml"}
    assert take_away(host) == [
        "disable edge-fer.service",
        "disable edge-fer@kitchen.service",
        "remove /etc/systemd/system/edge-fer.service",
        "remove /etc/systemd/system/edge-fer@.service",
        "remove /etc/sysusers.d/edge-fer.conf",
        "remove /etc/tmpfiles.d/edge-fer.conf",
        "remove /var/lib/edge-fer",
        "remove /etc/credstore",
        "remove the user edge-fer",
        "kept: /etc/edge-fer/edge-fer.yaml (--purge removes it)",
    ]
    assert tree(host.root) == before | configs
    assert (host.root / "etc/edge-fer/edge-fer.yaml").stat().st_gid == 0
    assert "let the service read /etc/edge-fer/edge-fer.yaml" in put(host)
    assert (host.root / "etc/edge-fer/edge-fer.yaml").stat().st_gid == 991
    take_away(host)
    assert take_away(host)[0] == "nothing is installed; nothing to do"


def test_purged_nothing_is_left_at_all(host: Host) -> None:
    before = tree(host.root)
    put(host)
    (host.root / "etc/credstore/edge-fer.mqtt_password").write_text("secret")
    override = host.root / "etc/systemd/system/edge-fer.service.d/override.conf"
    override.parent.mkdir()
    override.write_text("[Service]\nNice=5\n")
    take_away(host, purge=True)
    assert tree(host.root) == before
    assert not (host.root / "etc/credstore").exists()
    assert not (host.root / "etc/edge-fer").exists()


@pytest.mark.parametrize("owned", ["/usr/lib/tmpfiles.d/credstore.conf", "/etc/credstore/other.secret"])
def test_a_store_of_secrets_that_others_need_stays(host: Host, owned: str) -> None:
    host.path(owned).parent.mkdir(parents=True)
    host.path(owned).touch()
    put(host)
    take_away(host, purge=True)
    assert (host.root / "etc/credstore").is_dir()


def test_what_the_user_added_to_the_unit_stays_without_purge(host: Host) -> None:
    put(host)
    override = host.root / "etc/systemd/system/edge-fer.service.d/override.conf"
    override.parent.mkdir()
    override.write_text("[Service]\nNice=5\n")
    take_away(host)
    assert override.exists()


def test_one_instance_goes_and_the_others_stay(host: Host) -> None:
    put(host)
    put(host, KITCHEN)
    assert take_away(host, KITCHEN, purge=True) == [
        "disable edge-fer@kitchen.service",
        "remove /etc/edge-fer/kitchen.yaml",
    ]
    assert (host.root / "etc/systemd/system/edge-fer.service").exists()
    assert (host.root / "etc/systemd/system/multi-user.target.wants/edge-fer.service").is_symlink()


def test_an_uninstall_can_be_shown_first(host: Host) -> None:
    put(host)
    before = tree(host.root)
    assert take_away(host, dry_run=True)[0] == "would disable edge-fer.service"
    assert tree(host.root) == before


def test_a_packages_service_is_aptitudes_to_remove(host: Host) -> None:
    unit = host.path("/usr/lib/systemd/system/edge-fer.service")
    unit.parent.mkdir(parents=True)
    unit.touch()
    with pytest.raises(ServiceError, match="apt remove edge-fer"):
        take_away(host)


DEAF = "System has not been booted with systemd as init system (PID 1). Can't operate.\nFailed to connect to bus"


@pytest.mark.parametrize(
    ("said", "units"),
    [
        (DEAF, []),
        ("edge-fer.service loaded active running\nedge-fer@kitchen.service loaded failed", [ONE, KITCHEN]),
        ("edge-fer-exporter.service loaded\nedge-fer@front-door.service loaded\nedge-fer@models.service", []),
    ],
)
def test_systemd_is_asked_for_units_and_nothing_else_it_says_is_one(said: str, units: list[Unit], host: Host) -> None:
    live = replace(host, root=Path("/"), run=lambda _command: Outcome(1, said))
    assert installed_units(live) == units


def test_where_systemd_does_not_run_nothing_is_installed(host: Host) -> None:
    live = replace(host, root=Path("/"), run=lambda _command: Outcome(1, DEAF))
    out = io.StringIO()
    assert status(live, out) == 3
    assert out.getvalue() == "not installed: sudo edge-fer service install\n"
    assert take_away(live, dry_run=True) == ["nothing is installed; nothing to do"]
