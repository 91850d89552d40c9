"""A camera that is real to the kernel, in a virtual machine: it is there, is pulled out, and is plugged in again.

Debian's own kernel drives it, by its test driver vivid, so the sandbox's device filter, udev's permissions and V4L2 are
here as on a Pi. `make test-vm` prepares the machine that EDGE_FER_VM names and runs this.
"""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import require

pytestmark = pytest.mark.vm

BOOT_AND_ALL_S = 1800
"""For all of it on an emulated processor: KVM is not to be had everywhere, and in a virtual machine may be had and
do nothing."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the machine told: the lines of its log under "log", all else by name."""
    prepared = Path(os.environ["EDGE_FER_VM"])
    folder = tmp_path_factory.mktemp("vm")
    console, told = folder / "console", folder / "told"
    with subprocess.Popen(
        [
            require("qemu-system-x86_64"), "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "4096",
            "-kernel", str(prepared / "kernel"), "-initrd", str(prepared / "initramfs"),
            "-append", "console=ttyS0 panic=-1 no_timer_check", "-no-reboot", "-display", "none", "-nic", "none",
            "-serial", f"file:{console}", "-serial", f"file:{told}",
        ]
    ) as machine:  # fmt: skip
        started_s = time.monotonic()
        while machine.poll() is None and "\ndone: " not in (told.read_text() if told.exists() else ""):
            if time.monotonic() - started_s > BOOT_AND_ALL_S:
                break
            time.sleep(1)
        machine.terminate()  # to power itself off can take it minutes, or for ever
    lines = [line.partition(": ") for line in told.read_text().splitlines()]
    found = {name: value for name, _, value in lines if name != "log"}
    found["log"] = "\n".join(value for name, _, value in lines if name == "log")
    if found.get("done") != "yes":
        pytest.fail(f"the scenario broke off:\n{told.read_text()}\n{console.read_text(errors='replace')[-4000:]}")
    return found


def test_the_daemon_sees_it_through_its_sandbox(seen: dict[str, str]) -> None:
    assert seen["device"].startswith("vivid")
    assert seen["started"] == "active"
    assert float(seen["frames"].removeprefix('"fps":')) > 0


def test_the_sandbox_lets_it_at_no_other_device(seen: dict[str, str]) -> None:
    assert (seen["forbidden"], seen["allowed"]) == ("Operation not permitted", "")


def test_pulled_out_and_plugged_in_it_is_told_lost_once_and_back_once(seen: dict[str, str]) -> None:
    assert len(re.findall(r"^Camera lost: .*; trying until it is back$", seen["log"], re.MULTILINE)) == 1
    assert len(re.findall(r"^Camera /dev/video0 is back after [\d.]+ s: ", seen["log"], re.MULTILINE)) == 1


def test_the_same_process_goes_on_with_it(seen: dict[str, str]) -> None:
    assert seen["same_process"] == "yes"
    assert float(seen["frames_again"].removeprefix('"fps":')) > 0
