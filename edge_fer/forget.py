"""`edge-fer forget NAME`: a broker lets go of a device that is gone, or has another name by now.

A daemon clears up behind itself when a reload gives it another name. One that was renamed while it was stopped, or
never came back, cannot: its former state and Home Assistant's entities would stay for ever.
"""

import re
import time
from collections.abc import Callable
from typing import Final, TextIO

from edge_fer.assembly import broker_access
from edge_fer.config import Config
from edge_fer.errors import BrokerError, ConfigError
from edge_fer.publish.connection import Connection
from edge_fer.publish.homeassistant import discovery_topic
from edge_fer.publish.listen import listen
from edge_fer.publish.mqtt import try_broker
from edge_fer.publish.outbox import Message
from edge_fer.publish.transport import Received

_QUIET_S: Final = 1.0
"""The broker sends what it keeps in one go, and nothing tells the end; after such a silence it is taken for over."""

_LONGEST_S: Final = 10.0
_ANSWER_S: Final = 3.0
"""For a device to answer; its loop turns every fifth of a second, paused or not."""

_STEP_S: Final = 0.05


def run_forget(
    config: Config,
    out: TextIO,
    *,
    name: str,
    dry_run: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Clear what the broker keeps below the device's topic, and its announcement.

    Args:
        config: the broker, the base topic and Home Assistant's prefix.
        out: where the topics are listed.
        name: of the device.
        dry_run: list only.
        clock: monotonic seconds.
        sleep: waits so many seconds.

    Raises:
        ConfigError: `name` is none of a device.
        BrokerError: the broker cannot be used, the device is online, or the broker does not let go.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ConfigError(f"{name!r} is no device's name; give one of letters, digits, _ and -")
    address = f"{config.mqtt.host}:{config.mqtt.port}"
    try_broker(**broker_access(config.mqtt))  # says in a sentence what a connection in the background tries for ever
    visit = _Visit(config, name, clock, sleep)
    try:
        kept = visit.kept()
        if not kept:
            print(f"The broker {address} keeps nothing of {name} that we may read", file=out)
            return
        online = kept.get(visit.availability) == b"online" and visit.answers()
        for topic, payload in kept.items():
            print(f"{_printable(topic)}  ({len(payload)} bytes)", file=out)
        if dry_run:
            print(f"{name} is {'online' if online else 'not online'}; nothing was cleared", file=out)
            return
        if online:
            raise BrokerError(f"{name} is online and would be without its state: stop its daemon, then ask again")
        visit.clear(list(kept))
    finally:
        visit.close()
    again = _Visit(config, name, clock, sleep)
    try:
        left = again.kept()
    finally:
        again.close()
    if left:
        raise BrokerError(f"The broker {address} still keeps {_printable(', '.join(left))}; look at its access rules")
    print(f"The broker {address} has forgotten {name} ({len(kept)} retained)", file=out)


def _printable(text: str) -> str:
    """Without what would command the terminal: anybody may write on a broker."""
    return "".join(character if character.isprintable() else "?" for character in text)


class _Visit:
    """One connection, on which the broker tells what it keeps of the device."""

    def __init__(self, config: Config, name: str, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        base = f"{config.mqtt.base_topic}/{name}"
        self.availability = f"{base}/availability"
        self._command = f"{base}/command"
        self._discovery = discovery_topic(base, config.mqtt.home_assistant.discovery_prefix)
        self._clock = clock
        self._sleep = sleep
        self._heard: list[Received] = []
        self._connection: Connection = listen(
            topics=(self._discovery, f"{base}/+", f"{base}/+/+"),  # no topic of ours is deeper
            hear=self._heard.append,
            **broker_access(config.mqtt),
        )

    def kept(self) -> dict[str, bytes]:
        """Every retained message by its topic, the announcement first."""
        self._wait(lambda: self._connection.stats.connected, _LONGEST_S)
        ends_s = self._clock() + _LONGEST_S
        heard = -1
        while heard != len(self._heard) and self._clock() < ends_s:
            heard = len(self._heard)
            self._sleep(_QUIET_S)
        retained = {one.topic: one.payload for one in list(self._heard) if one.retained and one.payload}
        return dict(sorted(retained.items(), key=lambda item: (item[0] != self._discovery, item[0])))

    def answers(self) -> bool:
        """Whether anybody speaks for the device; an `online` alone may be from before a power cut."""
        self._connection.post(Message(self._command, b"status", qos=1, latest=False, ttl_s=_ANSWER_S))
        return self._wait(
            lambda: any(not one.retained and one.topic != self._command for one in list(self._heard)), _ANSWER_S
        )

    def clear(self, topics: list[str]) -> None:
        """Have the broker forget these, in order."""
        for topic in topics:
            self._connection.post(Message(topic, b"", qos=1, retain=True, latest=False))
        self._wait(lambda: not self._connection.stats.queued, _LONGEST_S)

    def close(self) -> None:
        self._connection.close()

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        ends_s = self._clock() + timeout_s
        while not condition():
            if self._clock() >= ends_s:
                return False
            self._connection.check()
            self._sleep(_STEP_S)
        return True
