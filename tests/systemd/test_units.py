"""The units say the same twice, mean something to systemd, and lock the daemon in."""

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_fer.configfile import SECRETS
from tests.conftest import require

UNITS = Path(__file__).parents[2] / "systemd"
SINGLE, TEMPLATE = UNITS / "edge-fer.service", UNITS / "edge-fer@.service"


def settings(unit: Path) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


def test_the_template_differs_by_the_instance_alone() -> None:
    single = [
        line.replace("edge-fer.yaml", "%i.yaml")
        .replace("over MQTT", "over MQTT: %i")
        .replace("RuntimeDirectory=edge-fer", "RuntimeDirectory=edge-fer@%i")
        .replace("StateDirectory=edge-fer", "StateDirectory=edge-fer edge-fer/%i")
        .replace("WorkingDirectory=/var/lib/edge-fer", "WorkingDirectory=/var/lib/edge-fer/%i")
        for line in settings(SINGLE)
    ]
    assert settings(TEMPLATE) == single


def test_every_secret_can_be_a_credential() -> None:
    loaded = re.findall(r"^LoadCredential=(.+)$", SINGLE.read_text(), re.MULTILINE)
    assert loaded == [f"{name}:edge-fer.{name}" for name in SECRETS]


@pytest.fixture
def fail(tmp_path: Path) -> Callable[..., float]:
    """Runs the unit's own commands as systemd does from the end of a run to the next; the seconds in between."""
    lines = SINGLE.read_text().replace("\\\n", "").splitlines()
    scripts = {key: value for key, _, value in (line.partition("=/bin/sh -c ") for line in lines) if value}
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sleep").write_text("#!/bin/sh\necho $1\n")
    (programs / "sleep").chmod(0o755)
    runtime = tmp_path / "runtime"
    runtime.mkdir()

    def run(key: str, **result: str) -> str:
        [script] = shlex.split(scripts[key].replace("$$", "$"))
        surroundings = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "RUNTIME_DIRECTORY": str(runtime),
            **result,
        }
        done = subprocess.run(["/bin/sh", "-c", script], env=surroundings, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    def between(result: str, *, has_run: bool = True) -> float:
        exit_status = {"EXIT_STATUS": "0" if result == "success" else "1"} if has_run else {}
        assert run("ExecStopPost", SERVICE_RESULT=result, **exit_status) == ""
        return float(run("ExecStartPre") or 0)

    return between


def test_each_failure_in_a_row_waits_twice_as_long(fail: Callable[..., float]) -> None:
    results = ["exit-code", "signal", "watchdog", "core-dump", "timeout", *(["exit-code"] * 5)]
    assert [fail(result) for result in results] == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_run_of_more_than_a_minute_ends_the_row(fail: Callable[..., float], tmp_path: Path) -> None:
    for _ in range(6):
        fail("signal")
    failures = tmp_path / "runtime/failures"
    os.utime(failures, times=(time.time() - 50,) * 2)
    assert fail("signal") == 32
    os.utime(failures, times=(time.time() - 65,) * 2)
    assert [fail("signal"), fail("signal")] == [0, 1]


def test_stopped_on_purpose_it_starts_at_once(fail: Callable[..., float]) -> None:
    for _ in range(6):
        fail("signal")
    assert [fail("success"), fail("signal")] == [0, 0]


def test_stopped_before_the_daemon_ran_it_starts_at_once(fail: Callable[..., float]) -> None:
    for _ in range(6):
        fail("signal")
    assert [fail("signal", has_run=False), fail("signal")] == [0, 0]


@pytest.mark.real
@pytest.mark.parametrize("name", ["edge-fer.service", "edge-fer@.service"])
def test_systemd_has_nothing_to_say_against_a_unit(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name
    unit.write_text((UNITS / name).read_text().replace("/usr/bin/edge-fer", "/bin/true"))
    done = subprocess.run([require("systemd-analyze"), "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.real
@pytest.mark.parametrize("unit", [SINGLE, TEMPLATE], ids=lambda unit: unit.name)
def test_the_sandbox_scores_well(unit: Path) -> None:
    command = [require("systemd-analyze"), "security", "--offline=true", "--threshold=13", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    done = subprocess.run([*command, "--json=short"], capture_output=True, text=True, check=False)
    open_doors = {line["json_field"] for line in json.loads(done.stdout) if line["exposure"]}
    assert open_doors == {
        "DeviceAllow",  # cameras
        "IPAddressDeny",  # the broker may be anywhere
        "PrivateDevices",
        "PrivateNetwork",
        "ProcSubset",  # the inference reads /proc/cpuinfo
        "RestrictAddressFamilies_AF_INET_INET6",
        "RestrictAddressFamilies_AF_NETLINK",
        "RestrictAddressFamilies_AF_UNIX",
        "RootDirectoryOrRootImage",
    }


@pytest.mark.real
@pytest.mark.skipif(os.getuid() != 0, reason="only root may give files away")
def test_sysusers_and_tmpfiles_are_understood(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for program, name in (("systemd-sysusers", "edge-fer.sysusers"), ("systemd-tmpfiles", "edge-fer.tmpfiles")):
        options = ["--create"] if program == "systemd-tmpfiles" else []
        done = subprocess.run(
            [require(program), *options, f"--root={tmp_path}", UNITS / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    user = next(line for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("edge-fer:"))
    assert user.split(":")[4:] == ["Facial emotion recognition", "/var/lib/edge-fer", "/usr/sbin/nologin"]
    assert re.search(r"^video:.*:edge-fer$", (tmp_path / "etc/group").read_text(), re.MULTILINE)
    assert (tmp_path / "etc/edge-fer").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "etc/credstore").stat().st_mode & 0o777 == 0o700
