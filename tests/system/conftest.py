"""Booted Debian machines: containers with systemd as their first process, a broker, and no network but their own.

`make test-system` prepares the roots that EDGE_FER_SYSTEM names and runs these tests, as root.
"""

import contextlib
import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_fer.clip import write_demo_clip

ROOT = Path(__file__).parents[2]
RELEASES = ("bookworm", "trixie")
SETTLED = {"running", "degraded"}

CONFIG = """\
device: kitchen
camera: {source: /clips/demo.mp4, loop: true, fps: 10}
detector: {kind: haar, search_px: 200}
mqtt: {host: localhost, health_s: 1.0}
"""


class Machine:
    """A container that starts from a prepared root; what is written in it lies in memory and is gone with it.

    Args:
        release: of Debian.
        log: file for what its console says.
        binds: folders of this machine that it sees, read-only, by where.
        size: how much can be written in it.
    """

    def __init__(self, release: str, log: Path, *, binds: dict[str, Path], size: str = "1400m") -> None:
        self.release = release
        self._log = log
        self._name = f"edge-fer-{secrets.token_hex(4)}"
        root = Path(os.environ["EDGE_FER_SYSTEM"]) / release / "root"
        options = [f"--bind-ro={path.absolute()}:{where}" for where, path in binds.items()]
        with log.open("wb") as console:
            self._process = subprocess.Popen(
                [str(Path(__file__).with_name("boot")), self._name, size, str(root.absolute()), *options],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        self.wait_for_boot()

    def wait_for_boot(self) -> None:
        """Until every service has come up, or failed to."""

        def is_up() -> bool:
            if self._process.poll() is not None:
                pytest.fail(f"the container ended: {self._log.read_text(errors='replace')}")
            return self.attempt("systemctl", "is-system-running").stdout.strip() in SETTLED

        self.wait_until(is_up, "booted", timeout_s=30)

    def attempt(self, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command in it, whatever comes of it."""
        enter = ["nsenter", "--all", "--target", str(self._leader())]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s)

    def run(self, *command: str, timeout_s: float = 60) -> str:
        """Run a command in it that must succeed; what it printed."""
        done = self.attempt(*command, timeout_s=timeout_s)
        if done.returncode != 0:
            journal = self.attempt("journalctl", "--no-pager", "--lines=20").stdout
            pytest.fail(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout}{done.stderr}\n{journal}")
        return done.stdout

    def shell(self, script: str, timeout_s: float = 60) -> str:
        """Run a script in it that must succeed; what it printed."""
        return self.run("bash", "-euo", "pipefail", "-c", script, timeout_s=timeout_s)

    def write(self, path: str, text: str) -> None:
        """Replace a file's text; its owner and mode stay."""
        self.run("bash", "-c", 'printf %s "$2" >"$1"', "write", path, text)

    def path(self, inside: str) -> str:
        """Where this machine finds one of its files."""
        return f"/proc/{self._leader()}/root{inside}"

    def property(self, name: str, unit: str = "edge-fer.service") -> str:
        """What systemd knows about a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20) -> float:
        """Until it holds; how many seconds that took."""
        started_s = time.monotonic()
        while not condition():
            if time.monotonic() - started_s > timeout_s:
                journal = self.attempt("journalctl", "--no-pager", "--lines=40").stdout
                pytest.fail(f"not {what} within {timeout_s} s:\n{journal}")
            time.sleep(0.05)
        return time.monotonic() - started_s

    def messages(self, topic: str, count: int = 1, *options: str, timeout_s: int = 40) -> list[str]:
        """The payloads of the next messages, retained ones first."""
        command = ["mosquitto_sub", "-t", topic, "-C", str(count), "-W", str(timeout_s), "-F", "%p", *options]
        return self.run(*command, timeout_s=timeout_s + 5).splitlines()

    def journal(self, *options: str, unit: str = "edge-fer.service") -> str:
        """The lines of a unit without times and names."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--unit={unit}", *options)

    def files(self) -> set[str]:
        """All that lies on its disk, but for what systemd and Debian's tools note of themselves."""
        listed = self.run("find", "/", "-xdev", "-not", "-path", "/proc/*", "-not", "-path", "/sys/*", timeout_s=120)
        own = re.compile(r"/(var/(log|tmp|cache|lib/(systemd|private|dpkg|mosquitto))|tmp|etc/.*-$|root)(/|$)|.*-$")
        return {path for path in listed.splitlines() if not own.match(path)}

    def reboot(self) -> None:
        """Shut it down and start it again with what was written."""
        before = self._leader()
        self.run("systemctl", "reboot")
        self.wait_until(lambda: self._leader(otherwise=before) != before, "down", timeout_s=60)
        self.wait_for_boot()

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        groups = subprocess.run(
            ["findmnt", "--noheadings", "--first-only", "--types", "cgroup2", "--output", "TARGET"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip
        for folder, _folders, _files in os.walk(Path(groups) / self._name, topdown=False):
            with contextlib.suppress(OSError):  # a process may take its time to go
                Path(folder).rmdir()

    def _leader(self, otherwise: int | None = None) -> int:
        """The process outside that is its first one inside."""
        for keeper in children(self._process.pid):
            for first in children(keeper):
                with contextlib.suppress(OSError):
                    if Path(f"/proc/{first}/comm").read_text() == "systemd\n":
                        return first
        return self._process.pid if otherwise is None else otherwise


def children(pid: int) -> list[int]:
    """A process's children; none if it has gone."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


Boot = Callable[[str], Machine]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video that holds a face."""
    folder = tmp_path_factory.mktemp("clips")
    folder.chmod(0o755)  # the daemon is another user
    write_demo_clip(folder / "demo.mp4", seconds=4, fps=10)
    return folder


@pytest.fixture(scope="session")
def boot(built_wheel: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boot]:
    """Boots machines that see the wheel, the wheels that it needs, the tree, and a clip."""
    if "EDGE_FER_SYSTEM" not in os.environ:
        pytest.fail("EDGE_FER_SYSTEM names no prepared roots: run `make test-system`")
    logs = tmp_path_factory.mktemp("consoles")
    with ExitStack() as stack:

        def start(release: str) -> Machine:
            wheels = Path(os.environ["EDGE_FER_SYSTEM"]) / release / "wheels"
            binds = {"/wheel": built_wheel.parent, "/wheels": wheels, "/src": ROOT, "/clips": clips}
            machine = Machine(release, logs / f"{release}-{time.monotonic_ns()}.log", binds=binds)
            stack.callback(machine.close)
            return machine

        yield start
