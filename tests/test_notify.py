import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_fer.notify import Notifier


class Listener:
    """The other end, as systemd has it."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(0)

    def hear(self) -> list[str]:
        heard = []
        while True:
            try:
                heard.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return heard


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@edge-fer-test-{os.getpid()}"


@pytest.fixture
def listener(address: str) -> Iterator[Listener]:
    listener = Listener(address)
    yield listener
    listener.socket.close()


def test_every_word_as_systemd_expects_it(address: str, listener: Listener) -> None:
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})
    notifier.ready("fps 29.8, 1 face")
    notifier.status("camera lost: it\nhas two lines")
    notifier.reloading(12.5)
    notifier.stopping()
    notifier.close()
    assert listener.hear() == [
        "READY=1\nSTATUS=fps 29.8, 1 face",
        "STATUS=camera lost: it has two lines",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STOPPING=1",
    ]


def test_the_watchdog_is_fed_four_times_before_it_bites(address: str, listener: Listener) -> None:
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "8000000"})
    for tenths in range(100):
        notifier.feed(1000 + tenths / 10)
    notifier.close()
    assert listener.hear() == ["WATCHDOG=1"] * 5


@pytest.mark.parametrize(
    ("environ", "fed"),
    [
        ({}, 0),
        ({"WATCHDOG_USEC": "0"}, 0),
        ({"WATCHDOG_USEC": "1000000"}, 1),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "4711"}, 1),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "4712"}, 0),
    ],
)
def test_a_watchdog_that_is_not_for_us_is_not_fed(
    environ: dict[str, str], fed: int, address: str, listener: Listener
) -> None:
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address, **environ}, pid=4711)
    notifier.feed(0.0)
    notifier.close()
    assert listener.hear() == ["WATCHDOG=1"] * fed


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_an_address_that_it_knows_it_is_mute(environ: dict[str, str]) -> None:
    assert Notifier.from_environ(environ)._socket is None


def test_a_systemd_that_was_away_hears_the_next_word(tmp_path: Path) -> None:
    address = tmp_path / "notify"
    Listener(str(address)).socket.close()
    notifier = Notifier(str(address))
    notifier.status("lost")
    address.unlink()
    listener = Listener(str(address))
    notifier.status("heard")
    notifier.close()
    assert listener.hear() == ["STATUS=heard"]
    listener.socket.close()


def test_a_systemd_that_does_not_read_keeps_nobody_waiting(address: str, listener: Listener) -> None:
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})
    for _ in range(10_000):
        notifier.status("x" * 1000)
    notifier.close()
    assert 0 < len(listener.hear()) < 10_000
