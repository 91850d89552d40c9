"""What a broker cannot bear: from its own words, or from what it hangs up on.

With MQTT 5 it names its largest packet, or says of a message that it was too large. With 3.1.1 it hangs up without
a word, and would again after every new connection: what was first in flight both times is to blame.
"""

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

    def bear(self, message: Message) -> bool:
        """Whether the broker takes it, as far as is known."""
        size = len(message.payload)
        if size >= self._too_large_bytes.get(message.topic, size + 1):
            return False
        packet_bytes = _HEADERS_BYTES + len(message.topic.encode()) + size + len(message.correlation or b"")
        return self.largest_packet_bytes is None or packet_bytes <= self.largest_packet_bytes

    def learn(self, message: Message) -> None:
        """The broker does not bear this one; nor larger ones on its topic, which would cost a connection each."""
        if len(message.payload) > _HARMLESS_BYTES:
            self._too_large_bytes[message.topic] = len(message.payload)

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
        if _key(taken) == self._suspect:
            self._suspect = None

    def forget(self) -> None:
        """The broker may be another one: a connection that held for long has ended."""
        self._too_large_bytes.clear()
        self._suspect = None


def _key(waiting: Waiting) -> tuple[str, int]:
    """The same for each value of a state, which may change from connection to connection."""
    return waiting.message.topic, -1 if waiting.message.latest else waiting.place
