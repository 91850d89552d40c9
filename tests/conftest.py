"""What several tests share."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edge_fer.camera.opencv import quieten

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def quiet_ffmpeg() -> None:
    """FFmpeg reads its level once, at the first film of the process, which may be one that a test writes."""
    quieten()


@pytest.fixture(scope="session")
def data() -> Path:
    """The pictures, clips and detector that are never part of the repository."""
    if not DATA.is_dir():
        pytest.skip("the picture data in ../shared/data is not here")
    return DATA


@pytest.fixture(scope="session")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tree, so that no build folder is left in it."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in files:
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(copy)],
        check=True, capture_output=True,
    )  # fmt: skip
    [path] = out.glob("edge_fer-*.whl")
    return path


def require(program: str) -> str:
    """Path of an installed program; skips the test without it, but fails it in continuous integration."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Received:
    """A message as `mosquitto_sub` tells it."""

    topic: str
    payload: str
    qos: int
    retained: bool

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Subscriber:
    """Collects what `mosquitto_sub`, a client that shares no code with ours, receives."""

    def __init__(self, host: str, port: int, topic: str, *options: str) -> None:
        address = ["-h", host, "-p", str(port), "-t", topic, "-q", "1"]
        # By itself it writes that it is subscribed with the first message.
        command = ["stdbuf", "-oL", require("mosquitto_sub"), *address, "-F", "%j", "--debug", *options]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._changed = threading.Condition()
        self._subscribed = False
        self._messages: list[Received] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def messages(self) -> list[Received]:
        """All so far, oldest first."""
        with self._changed:
            return list(self._messages)

    def on(self, topic: str) -> list[Received]:
        """Those whose topic ends so."""
        return [message for message in self.messages if message.topic.endswith(topic)]

    def wait_until_subscribed(self, timeout_s: float = 10) -> None:
        """From now on it misses nothing; fails when the broker does not answer."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._subscribed, timeout_s):
                pytest.fail(f"mosquitto_sub is not subscribed after {timeout_s} s")

    def wait_for(self, topic: str, payload: str | None = None, *, count: int = 1, timeout_s: float = 10) -> Received:
        """The `count`th message whose topic ends so, with this payload if given; fails when it does not come."""

        def matching() -> list[Received]:
            return [m for m in self._messages if m.topic.endswith(topic) and payload in (None, m.payload)]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count, timeout_s):
                seen = [f"{m.topic} {m.payload}" for m in self._messages]
                pytest.fail(f"no message {count} on …{topic} with {payload} in {timeout_s} s, but {seen}")
            return matching()[count - 1]

    def close(self) -> None:
        self._process.kill()  # its handler of SIGTERM can deadlock with TLS
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                if line.startswith("{"):
                    told = json.loads(line)
                    payload = told.get("payload") or ""
                    self._messages.append(Received(told["topic"], payload, told["qos"], bool(told["retain"])))
                elif line.startswith("Subscribed"):
                    self._subscribed = True
                self._changed.notify_all()


class Mosquitto:
    """A broker of Debian's on a free port, to be stopped, started again and frozen."""

    def __init__(self, folder: Path, config: str) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._program = require("mosquitto")
        require("mosquitto_pub")  # Debian packs the clients apart; tests call them by name
        self._config = folder / f"mosquitto-{self.port}.conf"
        # It would give up root, and then cannot read the folder.
        self._config.write_text(f"user root\nlistener {self.port} {self.host}\n{config}\n")
        self._process: subprocess.Popen[bytes] | None = None
        self._subscribers: list[Subscriber] = []

    def start(self, timeout_s: float = 10) -> None:
        log = self._config.with_suffix(".log")
        with log.open("ab") as output:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stderr=output)
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s and self._process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex((self.host, self.port)) == 0:
                    return
            time.sleep(0.01)
        pytest.fail(f"mosquitto does not listen: {log.read_text()}")

    def stop(self) -> None:
        """End it; what it retained is forgotten."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def subscribe(self, topic: str = "#", *options: str) -> Subscriber:
        """A subscriber that misses nothing from now on; further options go to `mosquitto_sub`."""
        subscriber = Subscriber(self.host, self.port, topic, *options)
        self._subscribers.append(subscriber)
        subscriber.wait_until_subscribed()
        return subscriber

    def retained(self) -> set[str]:
        """The topics of everything that it keeps."""
        command = [require("mosquitto_sub"), "-h", self.host, "-p", str(self.port), "-t", "#", "-F", "%t"]
        done = subprocess.run([*command, "--retained-only", "-W", "1"], capture_output=True, text=True, check=False)
        return set(done.stdout.split())

    def close(self) -> None:
        for subscriber in self._subscribers:
            subscriber.close()
        self.stop()


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[[str], Mosquitto]]:
    """Makes brokers with a configuration of one's own, not started yet."""
    with ExitStack() as stack:

        def make(config: str) -> Mosquitto:
            broker = Mosquitto(tmp_path, config)
            stack.callback(broker.close)
            return broker

        yield make


@pytest.fixture
def mosquitto(make_mosquitto: Callable[[str], Mosquitto]) -> Mosquitto:
    """A running broker that lets everybody in."""
    broker = make_mosquitto("allow_anonymous true")
    broker.start()
    return broker
