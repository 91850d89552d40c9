"""The service on booted machines, installed as the README says, in good days and bad ones.

The tests of a machine run in their order; each leaves the service running as it found it.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.conftest import CONFIG, RELEASES, Boot, Machine

pytestmark = pytest.mark.system

CONFIG_FILE = "/etc/edge-fer/edge-fer.yaml"
PASSWORD = "correct-horse-battery-staple"  # noqa: S105 - so that it can be searched for
BACK_WITHIN_S = 5.0


@pytest.fixture(scope="module", params=RELEASES)
def fresh(request: pytest.FixtureRequest, boot: Boot) -> Machine:
    """A machine on which nobody has installed anything."""
    return boot(request.param)


@pytest.fixture(scope="module")
def files_before(fresh: Machine) -> set[str]:
    """What lay on its disk before."""
    return fresh.files()


@pytest.fixture(scope="module")
def machine(fresh: Machine, files_before: set[str]) -> Machine:
    """A machine with the service installed by pip, looking at a video of a face."""
    fresh.shell(
        "python3 -m venv --system-site-packages /opt/edge-fer;"
        "/opt/edge-fer/bin/pip install --quiet --no-index --find-links /wheels"
        " --constraint /src/configs/raspberry-pi-os.txt /wheel/*.whl 2>&1",
        timeout_s=180,
    )
    fresh.shell(f"cat >/root/mine.yaml <<'END'\n{CONFIG}END")
    fresh.run("/opt/edge-fer/bin/edge-fer", "service", "install", "--config", "/root/mine.yaml")
    return fresh


def is_active(machine: Machine) -> bool:
    return machine.property("ActiveState") == "active"


def main_pid(machine: Machine) -> int:
    return int(machine.property("MainPID"))


def wait_for_another(machine: Machine, pid: int, timeout_s: float) -> float:
    """Until another process than that one is ready; how many seconds that took."""
    return machine.wait_until(
        lambda: main_pid(machine) not in (0, pid) and is_active(machine), "restarted", timeout_s=timeout_s
    )


def now(machine: Machine) -> str:
    """An option for reading the journal from here; --after-cursor would leave an entry out in Debian 12."""
    return f"--since=@{machine.run('date', '+%s.%6N').strip()}"


def count(machine: Machine, since: str, text: str) -> int:
    return machine.journal(since).count(text)


def test_installed_it_runs_and_messages_arrive(machine: Machine) -> None:
    assert is_active(machine)
    assert machine.run("systemctl", "is-enabled", "edge-fer") == "enabled\n"
    assert machine.messages("edge-fer/kitchen/availability") == ["online"]
    reading = json.loads(machine.messages("edge-fer/kitchen/faces/+")[0])
    assert sum(reading["scores"].values()) == pytest.approx(1, abs=0.01)


def test_installing_once_more_does_nothing(machine: Machine) -> None:
    pid = main_pid(machine)
    told = machine.run("/opt/edge-fer/bin/edge-fer", "service", "install", "--dry-run")
    assert "edge-fer.service" not in [line for line in told.splitlines() if line.startswith(("write", "replace"))]
    machine.run("/opt/edge-fer/bin/edge-fer", "service", "install")
    assert main_pid(machine) == pid
    assert machine.run("cat", CONFIG_FILE).endswith(CONFIG)


def test_this_systemd_knows_every_key(machine: Machine) -> None:
    told = machine.run("journalctl", "--no-pager", "--output=cat", "_PID=1").splitlines()
    assert [line for line in told if "edge-fer" in line and "Unknown" in line] == []


def test_it_tells_people_how_it_does(machine: Machine) -> None:
    def told() -> bool:
        return re.fullmatch(r"fps \d+\.\d, [01] faces?, mqtt connected", machine.property("StatusText")) is not None

    machine.wait_until(told, "a status line", timeout_s=15)


def test_it_runs_as_its_own_user_without_capabilities(machine: Machine) -> None:
    status = machine.run("cat", f"/proc/{main_pid(machine)}/status")
    user = machine.run("id", "--user", "edge-fer").strip()
    assert re.findall(r"^Uid:\s+(.*)$", status, re.MULTILINE) == ["\t".join([user] * 4)]
    assert set(re.findall(r"^Cap\w+:\s+(\w+)$", status, re.MULTILINE)) == {"0" * 16}
    assert re.findall(r"^(?:NoNewPrivs|Seccomp):\s+(\d)$", status, re.MULTILINE) == ["1", "2"]


def test_its_sandbox_is_as_tight_as_promised(machine: Machine) -> None:
    told = machine.run("systemd-analyze", "security", "--no-pager", "edge-fer.service")
    exposure = re.search(r"Overall exposure level for edge-fer.service: (\d+\.\d)", told)
    assert exposure is not None
    assert float(exposure[1]) <= 1.3


def test_the_journal_can_be_searched_by_device_and_camera(machine: Machine) -> None:
    machine.run("systemctl", "restart", "mosquitto")
    machine.wait_until(lambda: "Back at the MQTT broker" in machine.journal(), "connected again", timeout_s=30)
    found = machine.run(
        "journalctl", "--output=json", "--unit=edge-fer", "EDGE_FER_DEVICE=kitchen", "EDGE_FER_CAMERA=/clips/demo.mp4"
    )
    entries = [json.loads(line) for line in found.splitlines()]
    [back] = [entry for entry in entries if entry["MESSAGE"].startswith("Back at the MQTT broker")]
    assert (back["PRIORITY"], back["SYSLOG_IDENTIFIER"], back["LOGGER"]) == ("6", "edge-fer", "edge_fer.publish.link")
    assert back["EDGE_FER_TRACKS"] in {"0", "1"}


def test_killed_it_is_back_within_five_seconds(machine: Machine) -> None:
    pid, killed_s = main_pid(machine), time.monotonic()
    machine.run("kill", "-KILL", str(pid))
    wait_for_another(machine, pid, timeout_s=30)
    # As long as systemd waits, and what the start costs: how long that takes is up to what else this computer does.
    waited_s = int(machine.property("ExecMainStartTimestampMonotonic")) / 1e6 - killed_s
    assert waited_s + int(machine.property("CPUUsageNSec")) / 1e9 <= BACK_WITHIN_S
    machine.messages("edge-fer/kitchen/health")


@contextmanager
def setting(machine: Machine, text: str) -> Iterator[None]:
    """The service with another setting, as by `systemctl edit --runtime`."""
    machine.shell(
        "mkdir -p /run/systemd/system/edge-fer.service.d;"
        f"printf '[Service]\\n{text}\\n' >/run/systemd/system/edge-fer.service.d/test.conf;"
        "systemctl daemon-reload; systemctl restart edge-fer"
    )
    yield
    machine.shell("rm -r /run/systemd/system/edge-fer.service.d; systemctl daemon-reload; systemctl restart edge-fer")


def test_frozen_it_is_restarted_by_the_watchdog(machine: Machine) -> None:
    with setting(machine, "WatchdogSec=4s\\nTimeoutAbortSec=1s"):  # less than the usual half minute
        time.sleep(5)
        assert machine.property("NRestarts") == "0"  # well fed
        pid, since = main_pid(machine), now(machine)
        machine.run("kill", "-STOP", str(pid))
        wait_for_another(machine, pid, timeout_s=40)
        assert "Watchdog timeout" in machine.journal(since)
        machine.messages("edge-fer/kitchen/health")


def test_what_fails_again_and_again_is_tried_less_and_less(machine: Machine) -> None:
    folder = "/run/systemd/system/edge-fer.service.d"
    machine.shell(
        f"mkdir {folder}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' >{folder}/test.conf;"
        "systemctl daemon-reload; systemctl --no-block restart edge-fer"
    )
    try:
        took_s = machine.wait_until(lambda: machine.property("NRestarts") == "4", "restarted four times", timeout_s=60)
    finally:
        machine.shell(f"rm -r {folder}; systemctl daemon-reload; systemctl restart edge-fer")
    assert took_s > 4.5  # half a second before each, and 1 and 2 s before the third and fourth run
    assert is_active(machine)  # started on purpose, it does not wait
    assert machine.attempt("test", "-e", "/run/edge-fer/failures").returncode == 1


def test_stopped_before_it_ran_it_has_not_failed(machine: Machine) -> None:
    folder, failures = "/run/systemd/system/edge-fer.service.d", "/run/edge-fer/failures"
    machine.shell(
        f"mkdir {folder}; printf '[Service]\\nExecStartPre=/bin/sleep 4321\\n' >{folder}/test.conf;"
        "systemctl daemon-reload; systemctl --no-block restart edge-fer"
    )
    try:
        machine.wait_until(lambda: machine.attempt("pgrep", "-fx", "/bin/sleep 4321").returncode == 0, "starting")
        machine.run("install", "--owner=edge-fer", "/dev/null", failures)  # as if it had failed before
    finally:
        machine.shell(f"rm -r {folder}; systemctl daemon-reload; systemctl restart edge-fer")
    assert is_active(machine)
    assert machine.attempt("test", "-e", failures).returncode == 1


def test_a_broker_that_goes_and_comes_is_told_once_each(machine: Machine) -> None:
    machine.wait_until(lambda: "mqtt connected" in machine.property("StatusText"), "connected", timeout_s=30)
    pid, since = main_pid(machine), now(machine)
    machine.run("systemctl", "stop", "mosquitto")
    machine.wait_until(lambda: "mqtt disconnected" in machine.property("StatusText"), "seen as lost", timeout_s=15)
    machine.run("systemctl", "start", "mosquitto")
    machine.wait_until(lambda: "mqtt connected" in machine.property("StatusText"), "seen as back", timeout_s=60)
    assert machine.messages("edge-fer/kitchen/availability") == ["online"]
    assert main_pid(machine) == pid
    assert count(machine, since, "Back at the MQTT broker localhost:1883 after ") == 1
    warnings = machine.journal(since, "--priority=warning").splitlines()
    assert warnings[:1] == ["The MQTT broker localhost:1883 is lost: Connection closed"]
    assert len(set(warnings)) == len(warnings)


@pytest.mark.parametrize(
    ("right", "wrong", "sentence"),
    [
        ("loop: true", "lop: true", "camera.lop: there is no such key; did you mean loop?"),
        ("device: kitchen", "device: kitchen\nmodel: emotoin", "model: there is no shipped model called 'emotoin'"),
    ],
)
def test_a_broken_configuration_is_refused_and_the_old_one_kept(
    machine: Machine, right: str, wrong: str, sentence: str
) -> None:
    pid, config = main_pid(machine), machine.run("cat", CONFIG_FILE)
    machine.write(CONFIG_FILE, config.replace(right, wrong))
    reloaded, since = machine.attempt("systemctl", "reload", "edge-fer"), now(machine)
    assert reloaded.returncode == 1
    assert sentence in machine.journal()
    machine.messages("edge-fer/kitchen/health", 2)
    assert (main_pid(machine), is_active(machine)) == (pid, True)
    machine.write(CONFIG_FILE, config)
    machine.run("systemctl", "reload", "edge-fer")
    unchanged = "The configuration was reloaded: nothing changed"
    machine.wait_until(lambda: count(machine, since, unchanged) == 1, "reloaded")


def test_a_good_configuration_is_taken_over_while_it_runs(machine: Machine) -> None:
    pid, config = main_pid(machine), machine.run("cat", CONFIG_FILE)
    machine.write(CONFIG_FILE, config.replace("device: kitchen", "device: hall"))
    machine.run("systemctl", "reload", "edge-fer")
    assert machine.messages("edge-fer/hall/availability") == ["online"]
    machine.write(CONFIG_FILE, config)
    machine.run("systemctl", "reload", "edge-fer")
    assert machine.messages("edge-fer/kitchen/availability") == ["online"]
    assert main_pid(machine) == pid


def test_a_password_comes_as_a_credential_and_is_seen_nowhere(machine: Machine) -> None:
    machine.shell(
        f"mosquitto_passwd -b -c /etc/mosquitto/passwords daemon {PASSWORD}; chown mosquitto: /etc/mosquitto/passwords;"
        "printf 'allow_anonymous false\\npassword_file /etc/mosquitto/passwords\\nlistener 1883 127.0.0.1\\n'"
        " >/etc/mosquitto/conf.d/passwords.conf; systemctl restart mosquitto;"
        "printf daemon >/etc/credstore/edge-fer.mqtt_username; "
        f"printf {PASSWORD} >/etc/credstore/edge-fer.mqtt_password; chmod 600 /etc/credstore/*;"
        "systemctl restart edge-fer"
    )
    login = ("-u", "daemon", "-P", PASSWORD)
    assert machine.messages("edge-fer/kitchen/availability", 1, *login) == ["online"]
    assert PASSWORD not in machine.run("journalctl", "--no-pager", "--output=verbose", "--unit=edge-fer")
    assert PASSWORD not in machine.run("systemctl", "show", "edge-fer")
    pid = main_pid(machine)
    assert PASSWORD not in machine.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline")
    assert PASSWORD not in machine.messages("edge-fer/kitchen/info", 1, *login)[0]
    machine.shell(
        "rm /etc/mosquitto/passwords /etc/mosquitto/conf.d/passwords.conf /etc/credstore/edge-fer.*;"
        "systemctl restart mosquitto edge-fer"
    )
    assert machine.messages("edge-fer/kitchen/availability") == ["online"]


def test_without_a_camera_it_waits_for_one(machine: Machine) -> None:
    config = machine.run("cat", CONFIG_FILE)
    machine.write(CONFIG_FILE, config.replace("source: /clips/demo.mp4, loop: true, fps: 10", "source: /dev/video7"))
    machine.run("systemctl", "restart", "edge-fer")
    assert machine.messages("edge-fer/kitchen/camera/availability") == ["offline"]
    assert "camera" in machine.property("StatusText")
    machine.write(CONFIG_FILE, config)
    machine.run("systemctl", "restart", "edge-fer")


def test_a_full_disk_stops_nothing(machine: Machine) -> None:
    machine.attempt("dd", "if=/dev/zero", "of=/var/full", "bs=1M")
    assert machine.run("stat", "--file-system", "--format=%a", "/var").strip() == "0"
    machine.run("systemctl", "restart", "edge-fer")
    assert is_active(machine)
    machine.messages("edge-fer/kitchen/health", 2)
    machine.run("rm", "/var/full")


def test_on_a_root_that_cannot_be_written_it_starts_with_the_machine(machine: Machine) -> None:
    machine.shell("printf 'overlay / overlay ro 0 0\ntmpfs /var/log tmpfs\n' >/etc/fstab")
    machine.reboot()
    assert machine.attempt("touch", "/etc/edge-fer/new").returncode == 1
    machine.wait_until(lambda: is_active(machine), "active", timeout_s=20)
    machine.run("systemctl", "is-active", "mosquitto")
    assert '"emotion":"' in machine.messages("edge-fer/kitchen/faces/+")[0]
    machine.shell("mount -o remount,rw /; rm /etc/fstab")


def test_nothing_but_the_journal_was_written(machine: Machine) -> None:
    assert machine.run("find", "/", "-xdev", "-user", "edge-fer", "-type", "f") == ""


def test_nothing_it_said_was_an_error(machine: Machine) -> None:
    """Since the last boot; before it lay killings and a broken configuration."""
    assert machine.journal("--boot", "--priority=warning") == ""


def test_another_version_keeps_the_configuration(machine: Machine) -> None:
    machine.shell("echo '# of my own' >>/etc/edge-fer/edge-fer.yaml")
    config, pid = machine.run("cat", CONFIG_FILE), main_pid(machine)
    machine.shell(
        "sed -i 's/^CPUWeight=50/CPUWeight=49/' /opt/edge-fer/lib/python3*/site-packages/edge_fer/systemd/*.service"
    )
    told = machine.run("/opt/edge-fer/bin/edge-fer", "service", "install")
    assert "replace /etc/systemd/system/edge-fer.service" in told
    assert machine.run("cat", CONFIG_FILE) == config
    assert machine.property("CPUWeight") == "49"
    assert (is_active(machine), main_pid(machine) != pid) == (True, True)


def test_the_package_does_not_mix_with_it(machine: Machine) -> None:
    refused = machine.attempt("sh", "/src/systemd/debian/preinst", "install")
    assert refused.returncode == 1
    assert "/opt/edge-fer/bin/edge-fer service uninstall && rm -r /opt/edge-fer" in refused.stderr


def test_uninstalled_it_leaves_the_configuration_alone(machine: Machine, files_before: set[str]) -> None:
    machine.run("/opt/edge-fer/bin/edge-fer", "service", "uninstall")
    left = {path for path in machine.files() - files_before if not path.startswith("/opt")}
    assert left == {"/etc/edge-fer", CONFIG_FILE}


def test_purged_it_leaves_nothing(machine: Machine, files_before: set[str]) -> None:
    machine.run("/opt/edge-fer/bin/edge-fer", "service", "uninstall", "--purge")
    assert {path for path in machine.files() - files_before if not path.startswith("/opt")} == set()
    assert machine.attempt("getent", "passwd", "edge-fer").stdout == ""
    assert machine.run("systemctl", "--failed", "--plain", "--no-legend") == ""
