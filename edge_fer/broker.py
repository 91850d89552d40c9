"""A broker for who has none: amqtt in a process of its own, reachable from this machine only.

It speaks MQTT 3.1.1, asks for no password and keeps nothing on disk. It ends with the process that started it,
even a killed one: the child waits for the end of its standard input, whose other end the kernel closes then.

Run as `python -m edge_fer.broker PORT` it is that child.
"""

import asyncio
import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Final

from edge_fer.errors import BrokerError

HOST: Final = "127.0.0.1"

PROTOCOL: Final = "3.1.1"
"""All that amqtt speaks. A client of MQTT 5 with a last will gets no answer at all, so better do not ask."""

_START_S: Final = 15.0  # a Pi Zero takes seconds to import it
_STOP_S: Final = 2.0


def is_broker_listening(host: str, port: int, timeout_s: float) -> bool:
    """Whether something accepts TCP connections there; what it is, only an MQTT client can tell."""
    try:
        with socket.create_connection((host, port), timeout_s):
            return True
    except (OSError, UnicodeError):  # UnicodeError: no host name at all
        return False


class EmbeddedBroker:
    """A context manager: the broker runs inside it."""

    def __init__(self, port: int = 1883, *, start_timeout_s: float = _START_S) -> None:
        """Starts it and waits until it listens on 127.0.0.1.

        Raises:
            BrokerError: amqtt is not installed, the port is taken, or the broker does not come up.
        """
        if importlib.util.find_spec("amqtt") is None:
            raise BrokerError(
                "There is no embedded broker: install it with pip install 'edge-fer[broker]', or run mosquitto"
            )
        if is_broker_listening(HOST, port, 1.0):
            raise BrokerError(f"The embedded broker cannot start: port {port} of {HOST} is taken")
        self.host = HOST
        self.port = port
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "edge_fer.broker", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C is for the daemon, which still has to say that it goes offline
        )
        try:
            self._wait_until_listening(start_timeout_s)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def close(self) -> None:
        """End it; calling again does nothing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_listening(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not is_broker_listening(HOST, self.port, 1.0):
            by_hand = f"python -m edge_fer.broker {self.port} says why"
            if self._process.poll() is not None:
                raise BrokerError(f"The embedded broker ended before it listened: {by_hand}")
            if time.monotonic() > deadline_s:
                raise BrokerError(f"The embedded broker does not listen after {timeout_s:g} s: {by_hand}")
            time.sleep(0.02)

    def __enter__(self) -> "EmbeddedBroker":
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.close()


async def _serve(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - the parent does without it

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    await asyncio.to_thread(sys.stdin.buffer.read)
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
        await asyncio.wait_for(broker.shutdown(), _STOP_S / 2)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
