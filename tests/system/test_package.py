"""The Debian package on booted machines: installed, upgraded, downgraded, removed and purged."""

import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edge_fer import __version__
from tests.conftest import require
from tests.system.conftest import CONFIG, RELEASES, Boot

if TYPE_CHECKING:
    from tests.system.conftest import Machine

pytestmark = pytest.mark.system

PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
CONFIG_FILE = "/etc/edge-fer/edge-fer.yaml"


@dataclass(frozen=True)
class Packaged:
    """A machine, the package that was built on it and one of a later version, and what lay on its disk before."""

    machine: "Machine"
    package: str
    newer: str
    files: set[str]

    def install(self, package: str) -> None:
        # A default that changed is asked about at a terminal; the answer is that which Enter would give.
        self.machine.run("dpkg", "--force-confdef", "--install", package, timeout_s=120)

    def version(self) -> str:
        return self.machine.run("dpkg-query", "--show", "--showformat=${Version}", "edge-fer")


@pytest.fixture(scope="module", params=RELEASES)
def packaged(request: pytest.FixtureRequest, boot: Boot) -> Packaged:
    """The package is built by the machine itself, from the wheels alone, though Debian's PyYAML seems to be there."""
    machine = boot(request.param)
    metadata = "/usr/lib/python3/dist-packages/PyYAML-6.0.1.egg-info"
    machine.write(metadata, "Metadata-Version: 2.1\nName: PyYAML\nVersion: 6.0.1\n")
    built = machine.shell(
        "export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels DPKG_DEB_COMPRESSOR_TYPE=none;"
        "/src/systemd/debian/build /wheel/*.whl /root/packages",
        timeout_s=180,
    ).strip()
    machine.run("rm", metadata)
    newer = machine.shell(
        f"cd /root/packages; dpkg-deb --raw-extract {built} newer;"
        "sed -i 's/^Version: /&99./' newer/DEBIAN/control;"
        "echo '# a later default' >>newer/etc/edge-fer/edge-fer.yaml;"
        "dpkg-deb -Znone --build newer newer.deb >/dev/null; rm -r newer; realpath newer.deb"
    ).strip()
    return Packaged(machine, built, newer, machine.files())


def test_its_name_tells_version_python_and_architecture(packaged: Packaged) -> None:
    python = PYTHON[packaged.machine.release]
    assert packaged.package == f"/root/packages/edge-fer_{__version__}+py{python}_amd64.deb"


def test_debian_finds_nothing_wrong_with_it(packaged: Packaged) -> None:
    """But for the compression, which these tests go without for speed."""
    suppressed = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball"
    lintian = [require("lintian"), "--allow-root", "--fail-on=error,warning", f"--suppress-tags={suppressed}"]
    told = subprocess.run(
        [*lintian, packaged.machine.path(packaged.package)], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout) == (0, "")


def test_it_fits_no_other_python(packaged: Packaged) -> None:
    minor = int(PYTHON[packaged.machine.release].split(".")[1])
    needs = packaged.machine.run("dpkg-deb", "--field", packaged.package, "Depends").strip().split(", ")
    assert {f"python3 (>= 3.{minor}~)", f"python3 (<< 3.{minor + 1}~)", "python3-numpy"} <= set(needs)


def test_it_brings_what_its_builder_happened_to_have(packaged: Packaged) -> None:
    content = packaged.machine.run("dpkg-deb", "--contents", packaged.package)
    assert "/site-packages/yaml/__init__.py\n" in content
    assert "/site-packages/numpy/" not in content


def test_installation_neither_enables_nor_starts_it(packaged: Packaged) -> None:
    packaged.install(packaged.package)
    assert packaged.machine.attempt("systemctl", "is-enabled", "edge-fer").stdout == "disabled\n"
    assert packaged.machine.property("ActiveState") == "inactive"
    assert packaged.machine.run("edge-fer", "--version") == f"edge-fer {__version__}\n"


def test_the_configuration_is_for_the_daemon_and_root_alone(packaged: Packaged) -> None:
    assert packaged.machine.run("stat", "--format=%U:%G %a", CONFIG_FILE) == "root:edge-fer 640\n"


def test_its_user_may_use_cameras_and_nothing_else(packaged: Packaged) -> None:
    groups = packaged.machine.run("id", "--groups", "--name", "edge-fer").split()
    shell = packaged.machine.run("getent", "passwd", "edge-fer").strip().split(":")[-1]
    assert (sorted(groups), shell) == (["edge-fer", "video"], "/usr/sbin/nologin")


def test_enabled_it_runs_and_messages_arrive(packaged: Packaged) -> None:
    packaged.machine.write(CONFIG_FILE, CONFIG)
    packaged.machine.run("systemctl", "enable", "--now", "edge-fer")
    assert packaged.machine.property("ActiveState") == "active"
    assert packaged.machine.messages("edge-fer/kitchen/availability") == ["online"]
    assert '"emotion":"' in packaged.machine.messages("edge-fer/kitchen/faces/+")[0]


def test_an_upgrade_keeps_the_configuration_and_restarts_what_ran(packaged: Packaged) -> None:
    before = packaged.machine.property("MainPID")
    packaged.install(packaged.newer)
    assert packaged.version() == f"99.{__version__}+py{PYTHON[packaged.machine.release]}"
    assert packaged.machine.run("cat", CONFIG_FILE) == CONFIG
    assert packaged.machine.property("ActiveState") == "active"
    assert packaged.machine.property("MainPID") != before
    assert packaged.machine.run("systemctl", "is-enabled", "edge-fer") == "enabled\n"


def test_so_does_a_downgrade(packaged: Packaged) -> None:
    packaged.install(packaged.package)
    assert packaged.version() == f"{__version__}+py{PYTHON[packaged.machine.release]}"
    assert packaged.machine.run("cat", CONFIG_FILE) == CONFIG
    assert packaged.machine.property("ActiveState") == "active"
    assert packaged.machine.run("stat", "--format=%U:%G %a", CONFIG_FILE) == "root:edge-fer 640\n"


def test_a_stopped_service_stays_stopped_when_upgraded(packaged: Packaged) -> None:
    packaged.machine.run("systemctl", "stop", "edge-fer")
    packaged.install(packaged.newer)
    assert packaged.machine.property("ActiveState") == "inactive"
    packaged.machine.run("systemctl", "start", "edge-fer")


def test_removal_stops_it_and_leaves_the_configuration_alone(packaged: Packaged) -> None:
    packaged.machine.shell("sed 's/^device: .*/device: cellar/' /etc/edge-fer/edge-fer.yaml >/etc/edge-fer/cellar.yaml")
    packaged.machine.run("systemctl", "enable", "--now", "edge-fer@cellar")
    assert packaged.machine.messages("edge-fer/cellar/availability") == ["online"]
    packaged.machine.run("dpkg", "--remove", "edge-fer")
    assert packaged.machine.attempt("pgrep", "-f", "edge-fer").stdout == ""
    kept = ("/etc/edge-fer", "/var/lib/edge-fer", "/etc/credstore")
    left = packaged.machine.files() - packaged.files
    assert {path for path in left if not path.startswith(kept)} == set()
    assert packaged.machine.run("cat", CONFIG_FILE) == CONFIG


def test_installed_again_it_takes_the_old_configuration_up(packaged: Packaged) -> None:
    packaged.install(packaged.package)
    assert packaged.machine.run("cat", CONFIG_FILE) == CONFIG
    assert packaged.machine.attempt("systemctl", "is-enabled", "edge-fer").stdout == "disabled\n"


def test_purge_leaves_nothing_behind(packaged: Packaged) -> None:
    packaged.machine.run("dpkg", "--purge", "edge-fer")
    assert packaged.machine.files() - packaged.files == set()
    assert packaged.machine.attempt("getent", "passwd", "edge-fer").stdout == ""
    assert not re.search("edge-fer", packaged.machine.run("systemctl", "list-unit-files"))
    assert packaged.machine.run("systemctl", "--failed", "--plain", "--no-legend") == ""
