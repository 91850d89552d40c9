import io
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_fer import __version__
from edge_fer.config import Config
from edge_fer.configfile import load_config
from edge_fer.errors import ConfigError
from edge_fer.service.command import install, status, take_steps
from edge_fer.service.host import Host, ServiceError, run_program
from edge_fer.service.install import Step, hidden_files, install_steps, secrets_in_store
from edge_fer.service.uninstall import instance_steps, uninstall_steps
from edge_fer.service.units import Unit
from tests.conftest import ROOT, require
from tests.service.conftest import KITCHEN, ONE, FakeSystem, put, take_away, tree

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")


def test_everything_is_put_in_place_in_order(host: Host, system: FakeSystem) -> None:
    assert put(host) == [
        "write /etc/sysusers.d/edge-fer.conf",
        "write /etc/tmpfiles.d/edge-fer.conf",
        "write /etc/systemd/system/edge-fer.service",
        "write /etc/systemd/system/edge-fer@.service",
        "make the user edge-fer, in the group video",
        "make the folders /etc/edge-fer and /etc/credstore",
        "write /etc/edge-fer/edge-fer.yaml",
        "start edge-fer.service with every boot",
    ]
    assert system.asked == [
        "systemd-sysusers /etc/sysusers.d/edge-fer.conf",
        "systemd-tmpfiles --create /etc/tmpfiles.d/edge-fer.conf",
        "systemctl enable edge-fer.service",
    ]
    unit = (host.root / "etc/systemd/system/edge-fer.service").read_text()
    assert unit.startswith(f"# Written by `edge-fer service install`, version {__version__}.\n")
    assert "\nExecStart=/opt/edge-fer/bin/edge-fer run --config /etc/edge-fer/edge-fer.yaml\n" in unit
    assert "/usr/bin/edge-fer" not in unit
    config = host.root / "etc/edge-fer/edge-fer.yaml"
    assert load_config(config, {}) == Config()
    there = config.stat()
    assert (there.st_mode & 0o777, there.st_uid, there.st_gid) == (0o640, 0, 991)


def test_a_second_time_there_is_nothing_to_do(host: Host) -> None:
    put(host)
    before = tree(host.root)
    assert put(host) == []
    assert tree(host.root) == before


def test_what_would_be_done_is_said_and_not_done(host: Host, system: FakeSystem) -> None:
    before = tree(host.root)
    out = io.StringIO()
    assert install(host, ONE, None, out, dry_run=True) == 0
    lines = out.getvalue().splitlines()
    assert len(lines) == 8
    assert all(line.startswith("would ") for line in lines)
    assert tree(host.root) == before
    assert system.asked == []


def test_an_upgrade_keeps_the_users_configuration(host: Host) -> None:
    put(host)
    config = host.root / "etc/edge-fer/edge-fer.yaml"
    config.write_text("device: kitchen  # mine\n")
    unit = host.root / "etc/systemd/system/edge-fer.service"
    unit.write_text("# Written by `edge-fer service install`, version 0.0.1.\n")
    assert put(host)[0] == "replace /etc/systemd/system/edge-fer.service"
    assert config.read_text() == "device: kitchen  # mine\n"
    assert "ExecStart=" in unit.read_text()


def test_another_configuration_takes_the_place_of_the_old_one_which_is_kept(host: Host, tmp_path: Path) -> None:
    put(host)
    first = (host.root / "etc/edge-fer/edge-fer.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text("threads: 2\n")
    assert put(host, config=mine)[:2] == [
        "keep the present configuration as /etc/edge-fer/edge-fer.yaml.old",
        "write /etc/edge-fer/edge-fer.yaml",
    ]
    assert (host.root / "etc/edge-fer/edge-fer.yaml").read_text() == "threads: 2\n"
    old = host.root / "etc/edge-fer/edge-fer.yaml.old"
    assert old.read_text() == first
    assert old.stat().st_mode & 0o777 == 0o640


def test_one_of_another_version_is_kept_under_its_number(host: Host, tmp_path: Path) -> None:
    put(host)
    config, mine = host.root / "etc/edge-fer/edge-fer.yaml", tmp_path / "mine.yaml"
    config.write_text("version: 7\nthreads: 4\n")
    mine.write_text("threads: 2\n")
    assert "keep the present configuration as /etc/edge-fer/edge-fer.yaml.v7" in put(host, config=mine)
    assert config.with_name("edge-fer.yaml.v7").read_text() == "version: 7\nthreads: 4\n"
    assert config.read_text() == "threads: 2\n"


@pytest.mark.parametrize(("has_pi_camera", "source"), [(True, "picamera2"), (False, 0)])
def test_a_first_configuration_asks_for_the_camera_that_is_likely(
    host: Host, has_pi_camera: bool, source: str | int
) -> None:
    take_steps(install_steps(host, KITCHEN, None, has_pi_camera=has_pi_camera), io.StringIO(), dry_run=False)
    path = host.root / "etc/edge-fer/kitchen.yaml"
    assert load_config(path, {}) == Config.model_validate({"camera": {"source": source}})
    assert "sudo systemctl reload edge-fer@kitchen.service" in path.read_text()


def test_a_wrong_configuration_changes_nothing(host: Host, tmp_path: Path) -> None:
    before = tree(host.root)
    mine = tmp_path / "mine.yaml"
    mine.write_text("threads: 99\n")
    with pytest.raises(ConfigError, match="threads: 99 is not right"):
        put(host, config=mine)
    assert tree(host.root) == before


def test_a_configuration_is_judged_with_the_secrets_of_the_store(host: Host, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("web: {enabled: true, host: 0.0.0.0}\n")
    with pytest.raises(ConfigError, match="without a password"):
        put(host, config=mine)
    store = host.root / "etc/credstore"
    store.mkdir()
    (store / "edge-fer.web_password_hash").write_text("scrypt:" + "A" * 22 + "==:" + "A" * 43 + "=\n")
    assert "write /etc/edge-fer/edge-fer.yaml" in put(host, config=mine)


def test_what_broke_off_is_finished_by_doing_it_again(host: Host, system: FakeSystem) -> None:
    system.fails = "systemd-sysusers"
    with pytest.raises(ServiceError, match=r"`systemd-sysusers .*` failed: it did not work"):
        put(host)
    assert not (host.root / "etc/edge-fer").exists()
    system.fails = None
    assert put(host)[0] == "make the user edge-fer, in the group video"
    assert (host.root / "etc/systemd/system/multi-user.target.wants/edge-fer.service").is_symlink()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/usr/lib/systemd/system", r"installed as a package, .*: run `systemctl enable --now edge-fer.service`"),
        ("/etc/systemd/system", r"edge-fer.service is not from `edge-fer service install`: move it away"),
    ],
)
def test_somebody_elses_unit_is_left_alone(host: Host, folder: str, message: str) -> None:
    unit = host.path(folder) / "edge-fer.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Service]\n")
    before = tree(host.root)
    with pytest.raises(ServiceError, match=message):
        put(host)
    assert tree(host.root) == before


def test_a_masked_unit_stays_masked(host: Host) -> None:
    unit = host.path("/etc/systemd/system/edge-fer.service")
    unit.parent.mkdir(parents=True)
    unit.symlink_to("/dev/null")
    with pytest.raises(ServiceError, match="move it away"):
        put(host)
    assert unit.is_symlink()


@pytest.mark.parametrize("hidden", ["/home/pi/.venv", "/root/edge-fer", "/run/user/1000/x"])
def test_a_program_that_the_sandbox_hides_is_refused(host: Host, hidden: str) -> None:
    with pytest.raises(ServiceError, match=f"{hidden} is hidden from services: install edge-fer where"):
        put(replace(host, needs=(Path(hidden),)))


def test_a_program_that_is_not_there_is_refused(host: Host) -> None:
    with pytest.raises(ServiceError, match=r"there is no .*/opt/other/bin/edge-fer"):
        put(replace(host, program=Path("/opt/other/bin/edge-fer")))


@pytest.mark.parametrize("name", ["", "../x", "a b", "a-b", "models", "x" * 65])
def test_names_that_mean_something_else_are_refused(name: str) -> None:
    with pytest.raises(ServiceError, match="cannot name an instance; give letters, digits and _"):
        Unit(name)


def test_files_that_the_service_cannot_see_are_told() -> None:
    config = Config.model_validate(
        {
            "camera": {"source": "/home/pi/film.mp4"},
            "model": "models/mine.tflite",
            "mqtt": {"events": {"spool": "/srv/spool"}, "tls": {"ca_file": "/etc/ssl/ca.pem"}},
        }
    )
    assert hidden_files(config) == [
        "camera.source: /home/pi/film.mp4 is hidden from the service; put it below /var/lib/edge-fer",
        "model: models/mine.tflite is looked for in /var/lib/edge-fer; give the whole path",
        "mqtt.events.spool: /srv/spool cannot be written by the service; put it below /var/lib/edge-fer",
    ]
    spool = {"mqtt": {"events": {"spool": "/var/lib/edge-fer/events"}}}
    for fine in ({"camera": {"source": "rtsp://10.0.0.2/live"}}, {"camera": {"source": "picamera2"}}, spool):
        assert hidden_files(Config.model_validate(fine)) == []


def test_status_tells_half_an_installation_and_a_wrong_configuration(host: Host) -> None:
    out = io.StringIO()
    assert status(host, out) == 3
    assert out.getvalue() == "not installed: sudo edge-fer service install\n"
    put(host)
    (host.root / "etc/tmpfiles.d/edge-fer.conf").unlink()
    (host.root / "etc/edge-fer/edge-fer.yaml").write_text("threads: 99\n")
    out = io.StringIO()
    assert status(host, out) == 3
    lines = out.getvalue().replace(str(host.root), "").splitlines()
    assert lines[0] == (
        "half installed: /etc/tmpfiles.d/edge-fer.conf is missing; run `sudo edge-fer service install` again"
    )
    assert lines[2].endswith("edge-fer.yaml:1: threads: 99 is not right; give a whole number from 1 up to 16")


def test_who_is_not_root_sees_no_secret_but_the_rest(host: Host) -> None:
    closed = [folder for folder in ROOT.resolve().parents if not folder.stat().st_mode & stat.S_IXOTH]
    if closed and os.environ.get("CI") != "true":
        pytest.skip(f"{closed[0]} is closed to all but its owner, and the checkout lies in it")
    put(host)
    (host.root / "etc/credstore/edge-fer.mqtt_password").write_text("secret\n")
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others
        root = Path(folder) / "root"
        shutil.copytree(host.root, root, symlinks=True)
        group = (host.root / "etc/edge-fer/edge-fer.yaml").stat().st_gid
        os.chown(root / "etc/edge-fer/edge-fer.yaml", 0, group)
        root.parent.chmod(0o755)
        (root / "etc/credstore").chmod(0o700)
        other = replace(host, root=root, run=FakeSystem(root))
        assert secrets_in_store(other) == {"EDGE_FER_MQTT_PASSWORD": "secret"}
        os.seteuid(65534)
        try:
            assert secrets_in_store(other) == {}
            status(other, out)
        finally:
            os.seteuid(0)
    assert out.getvalue().endswith("/etc/edge-fer/edge-fer.yaml: for root and the service alone to read\n")


def test_a_step_that_fails_ends_the_rest() -> None:
    taken = []

    def fail() -> None:
        raise ServiceError("no")

    steps = [Step("one", lambda: taken.append(1)), Step("two", fail), Step("three", lambda: taken.append(3))]
    with pytest.raises(ServiceError, match="no"):
        take_steps(steps, io.StringIO(), dry_run=False)
    assert taken == [1]


def test_a_disk_that_refuses_is_told_in_a_sentence(tmp_path: Path) -> None:
    steps = [Step("remove it", (tmp_path / "gone").unlink)]
    with pytest.raises(ServiceError, match=r"gone: No such file or directory; mend that, then run this again"):
        take_steps(steps, io.StringIO(), dry_run=False)


@pytest.mark.parametrize(
    "act",
    [
        lambda host: install_steps(host, ONE, None),
        lambda host: list(uninstall_steps(host, purge=True)),
        lambda host: list(instance_steps(host, KITCHEN, purge=True)),
    ],
)
def test_a_running_system_is_for_root_to_change(act: Callable[[Host], object], host: Host) -> None:
    live = replace(host, root=Path("/"))
    os.seteuid(65534)
    try:
        with pytest.raises(ServiceError, match="this is for root to do: put sudo before it"):
            act(live)
    finally:
        os.seteuid(0)


@pytest.mark.real
def test_with_systemds_own_programs(host: Host) -> None:
    """On a tree, as an image is built: the real sysusers, tmpfiles, systemctl and userdel."""
    for program in ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "userdel"):
        require(program)
    real = replace(host, run=run_program)
    before = tree(host.root)
    put(real)
    put(real, KITCHEN)
    wants = host.root / "etc/systemd/system/multi-user.target.wants"
    assert sorted(path.name for path in wants.iterdir()) == ["edge-fer.service", "edge-fer@kitchen.service"]
    group = subprocess.run(
        ["stat", "-c", "%g", host.root / "etc/edge-fer/kitchen.yaml"], capture_output=True, text=True, check=True
    )
    assert f"edge-fer:x:{group.stdout.strip()}:" in (host.root / "etc/group").read_text()
    assert put(real) == []
    take_away(real, purge=True)
    of_the_programs = {".pwd.lock", "passwd-", "group-", "shadow", "shadow-", "gshadow", "gshadow-"}
    assert set(tree(host.root)) - set(before) <= {f"/etc/{name}" for name in of_the_programs}
