"""What a broker cannot bear: from its own words, or from what it hangs up on.

With MQTT 5 it names its largest packet, or says of a message that it was too large. With 3.1.1 it hangs up without
a word, and would again after every new connection: what was first in flight both times is to blame. Of a message with
QoS 0 nobody can tell whether it is in flight; after a hang-up right behind one, such are sent with QoS 1 until the
broker has confirmed one as large.
"""

from dataclasses import replace
from math import inf
from typing import Final

from edge_fer.publish.outbox import Message, Waiting

_HEADERS_BYTES: Final = 21
"""The most that a PUBLISH has beside topic, payload and correlation data, with all the properties that we give it."""

_HARMLESS_BYTES: Final = 128
"""Every broker bears so small a payload: who hangs up on it has another reason."""


class Limits:
    """What one broker bears; learnt for as long as its connections are short."""

    def __init__(self) -> None:
        self.largest_packet_bytes: int | None = None
        """As the broker said when it let us in; None: it did not."""
        self._too_large_bytes: dict[str, int] = {}
        self._suspect: tuple[str, int] | None = None
        self._proven_bytes = inf

    def bear(self, message: Message) -> bool:
        """Whether the broker takes it, as far as is known."""
        size = len(message.payload)
        if size >= self._too_large_bytes.get(message.topic, size + 1):
            return False
        packet_bytes = _HEADERS_BYTES + len(message.topic.encode()) + size + len(message.correlation or b"")
        return self.largest_packet_bytes is None or packet_bytes <= self.largest_packet_bytes

    def learn(self, message: Message, *, dearly: bool = False) -> None:
        """The broker does not bear this one, nor larger ones on its topic.

        Where it cost a connection to learn that, anything beyond half of it is not tried either: a topic whose
        messages differ in size, such as that of pictures, costs a few connections in all.
        """
        size = len(message.payload)
        if size > _HARMLESS_BYTES:
            self._too_large_bytes[message.topic] = max(_HARMLESS_BYTES + 1, size // 2) if dearly else size

    def be_wary(self) -> None:
        """The broker hung up right behind a suspicious message of QoS 0."""
        self._proven_bytes = 0

    def to_be_sent(self, message: Message) -> Message:
        """The message as it goes out: with a confirmation asked for where it may be one too large."""
        if message.qos or len(message.payload) <= max(self._proven_bytes, _HARMLESS_BYTES):
            return message
        return replace(message, qos=1)

    @staticmethod
    def is_suspicious(waiting: Waiting) -> bool:
        """Whether a broker may have hung up on it."""
        return len(waiting.message.payload) > _HARMLESS_BYTES

    def blame(self, first: Waiting) -> bool:
        """The connection was lost with this suspicious message first in flight; whether that makes twice."""
        key = _key(first)
        again, self._suspect = key == self._suspect, key
        return again

    def acquit(self, taken: Waiting) -> None:
        """The broker has this one."""
        self._proven_bytes = max(self._proven_bytes, len(taken.message.payload))
        if _key(taken) == self._suspect:
            self._suspect = None

    def forget(self) -> None:
        """The broker may be another one: a connection that held for long has ended."""
        self._too_large_bytes.clear()
        self._suspect = None
        self._proven_bytes = inf


def _key(waiting: Waiting) -> tuple[str, int]:
    """The same for each value of a state, which may change from connection to connection."""
    return waiting.message.topic, -1 if waiting.message.latest else waiting.place
