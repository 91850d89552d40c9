"""The daemon as a process that systemd watches: here, the test is systemd."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.real

TINY = str(Path(__file__).parent / "fixtures" / "tiny.tflite")


RUN = ("-m", "edge_fer", "run", "--config")


class Watched:
    """`edge-fer run` with a notification socket, and a watchdog that bites after two seconds."""

    def __init__(self, folder: Path, *program: str, **settings: Any) -> None:
        self.config = folder / "edge-fer.yaml"
        self.configure(**settings)
        self.log = folder / "log"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self.heard: list[str] = []
        environ = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "2000000", "EDGE_FER_MODELS": str(folder)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *(program or RUN), str(self.config)],
                stderr=log, env={**os.environ, **environ},
            )  # fmt: skip

    def configure(self, **settings: Any) -> None:
        settings = {"device": "test", "model": TINY, "mqtt": {"enabled": False}, **settings}
        self.config.write_text(yaml.safe_dump(settings))

    def listen(self, timeout_s: float) -> str | None:
        """The next word; None if there is none for so long."""
        self._socket.settimeout(timeout_s)
        try:
            word = self._socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.heard.append(word)
        return word

    def wait_for(self, word: str, timeout_s: float = 30) -> None:
        deadline_s = time.monotonic() + timeout_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            if (self.listen(left_s) or "").startswith(word):
                return
        pytest.fail(f"systemd never heard {word!r}, but {self.heard}; the log:\n{self.log.read_text()}")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._socket.close()


Watch = Callable[..., Watched]


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    started: list[Watched] = []

    def start(*program: str, **settings: Any) -> Watched:
        started.append(Watched(tmp_path, *program, **settings))
        return started[-1]

    yield start
    for watched in started:
        watched.close()


def test_ready_fed_reloaded_and_stopped(watch: Watch) -> None:
    daemon = watch(camera={"source": "pattern"})
    daemon.wait_for("READY=1\nSTATUS=")
    assert set(daemon.heard[:-1]) <= {"WATCHDOG=1"}
    daemon.wait_for("WATCHDOG=1")
    daemon.wait_for("STATUS=fps ")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("RELOADING=1\nMONOTONIC_USEC=")
    told_s = int(daemon.heard[-1].rpartition("=")[2]) / 1e6
    assert abs(told_s - time.clock_gettime(time.CLOCK_MONOTONIC)) < 10
    daemon.wait_for("READY=1")
    daemon.config.write_text("colour: red\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_for("RELOADING=1")
    daemon.wait_for("READY=1")  # with the old one
    assert "colour: there is no such key" in daemon.log.read_text()
    daemon.process.send_signal(signal.SIGTERM)
    daemon.wait_for("STOPPING=1")
    assert daemon.process.wait(10) == 0


def test_a_camera_that_is_not_there_is_an_outage_and_fed(watch: Watch) -> None:
    daemon = watch(camera={"source": "/dev/video99"})
    daemon.wait_for("READY=1\nSTATUS=camera lost: ")
    for _ in range(4):
        daemon.wait_for("WATCHDOG=1", timeout_s=2)


def test_a_daemon_that_stands_still_starves_the_watchdog(watch: Watch) -> None:
    daemon = watch(camera={"source": "pattern"})
    daemon.wait_for("WATCHDOG=1")
    daemon.process.send_signal(signal.SIGSTOP)
    while daemon.listen(1.0) is not None:
        pass  # what was under way
    assert daemon.listen(2.0) is None
    daemon.process.send_signal(signal.SIGCONT)
    daemon.wait_for("WATCHDOG=1")


HANGING = """
import sys, time
from pathlib import Path
from edge_fer.configfile import load_config
from edge_fer.daemon import run_daemon
from edge_fer.publish.sinks import ReadingsOnly

class Hangs(ReadingsOnly):
    frames = 0
    def publish(self, time_s, readings):
        self.frames += 1
        if self.frames == 30:
            time.sleep(60)

run_daemon(load_config(Path(sys.argv[1])), load=None, output=lambda config: Hangs())
"""


def test_a_step_that_hangs_starves_the_watchdog(watch: Watch) -> None:
    """A sink here; the loop waits for the detector and the classifier just so."""
    daemon = watch("-c", HANGING, camera={"source": "pattern"})
    daemon.wait_for("READY=1")
    while daemon.listen(1.0) is not None:
        pass
    assert daemon.listen(3.0) is None
    assert daemon.process.poll() is None
