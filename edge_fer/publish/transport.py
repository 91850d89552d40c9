"""What the link to the broker needs from an MQTT client, and nothing more.

The link asks, the transport answers with events; there are no callbacks, so nothing of ours runs where a
library could swallow or be killed by our exceptions. Except for `wake`, one thread alone calls it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from edge_fer.publish.outbox import Message


class Version(Enum):
    """The MQTT version spoken."""

    V5 = "5"
    V311 = "3.1.1"


class Refusal(Enum):
    """Why a broker turned us away, as far as it matters for what to do next."""

    PROTOCOL = "protocol"
    CREDENTIALS = "credentials"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker took us in; it bears packets up to `largest_packet_bytes`, if it said so (MQTT 5)."""

    largest_packet_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker answered, and said no; `reason` in its words."""

    refusal: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The broker has answered the QoS 1 message of this number.

    Attributes:
        number: of the message.
        refused: its reason, if it said no.
        rejected: whether it could not bear the message.
    """

    number: int
    refused: str | None = None
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone.

    Attributes:
        reason: in the broker's words, where it had some.
        taken_over: another client came with our client id.
        rejected: the broker could not bear something that we sent.
    """

    reason: str
    taken_over: bool = False
    rejected: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A message came on a topic that we listen to.

    Attributes:
        topic: where it came.
        payload: what it says.
        retained: whether the broker had kept it, so that nobody may have said it just now.
        response_topic: where the sender waits for an answer (MQTT 5).
        correlation: what the sender wants to find in the answer (MQTT 5).
    """

    topic: str
    payload: bytes
    retained: bool = False
    response_topic: str | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Deaf:
    """The broker does not let us listen; `reason` in its words."""

    reason: str


Event: TypeAlias = Accepted | Refused | Confirmed | Closed | Received | Deaf


class Transport(Protocol):
    """One connection at a time to one broker."""

    def open(self, version: Version) -> None:
        """Connect and ask to be let in; the answer comes as an event. Blocks for a few seconds at most.

        Raises:
            OSError: nobody answers, the network refuses, or the certificate is not to be trusted.
        """

    def poll(self) -> list[Event]:
        """Read and write what can be without waiting; what happened since the last call."""

    def listen(self, topics: Sequence[str]) -> None:
        """Ask for what others say there from now on, by topic filters whose one wildcard is `+`."""

    def send(self, message: Message, expiry_s: int | None) -> int:
        """Hand one message over; returns the number that `Confirmed` will carry.

        `expiry_s` tells the broker how long it is worth something, where the version can.
        """

    def is_clogged(self) -> bool:
        """Whether bytes of earlier messages still wait for the socket."""

    def wait(self, timeout_s: float) -> None:
        """Sleep until there is something to read or write, `wake` is called, or the time is over."""

    def wake(self) -> None:
        """End a running or the next `wait`; from any thread, without blocking."""

    def disconnect(self) -> None:
        """Take leave, so that the broker keeps the last will to itself, and close."""

    def abort(self) -> None:
        """Close the connection without a word; the broker publishes the last will. Fine if nothing is open."""

    def close(self) -> None:
        """Let go of everything; no other call may follow."""
