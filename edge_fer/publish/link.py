"""The connection's life: back-off, fallback of the version, flow control, farewell. Time is an argument.

Nothing is handed to the transport that the broker does not keep up with: a few unconfirmed messages at most,
and nothing behind bytes that the socket has not taken. What waits, waits in the outbox, which is bounded.
"""

import logging
import random
from collections.abc import Callable, Mapping
from enum import Enum, auto
from math import ceil, inf
from typing import Final

from edge_fer.publish.limits import Limits
from edge_fer.publish.outbox import Outbox, Waiting
from edge_fer.publish.reports import LinkStats
from edge_fer.publish.transport import (
    Accepted,
    Closed,
    Confirmed,
    Deaf,
    Event,
    Received,
    Refusal,
    Refused,
    Transport,
    Version,
)

_log = logging.getLogger(__name__)

_ANSWER_S: Final = 4.0
"""For the broker to let us in, once the connection is open."""

_WINDOW: Final = 10
"""Unconfirmed messages at a time."""

_STALL_S: Final = 2.0
"""A broker that leaves a message unconfirmed for so long gets no further ones: they would only grow stale."""

_BACKOFF_S: Final = (1.0, 30.0)
"""First and longest pause between attempts, before jitter takes up to half of it."""

_REFUSED_S: Final = 60.0
"""Pause after our credentials were refused: a broker may ban who asks too often."""

_PROMPT_S: Final = 2.0
"""A broker that hangs up on a message does so before long."""

_STEADY_S: Final = 10.0
"""A connection that held for so long starts the back-off anew."""

_UNSTEADY: Final = 3
"""So many short connections in a row look like another client with our id; not every broker says so."""

_FAREWELL_S: Final = 0.5
"""Time for the last messages when we leave."""

_IDLE_S: Final = 1.0


class _Phase(Enum):
    PAUSING = auto()
    ASKING = auto()
    CONNECTED = auto()
    LEFT = auto()


class Link:
    """Moves messages from the outbox to the broker; one thread calls `advance` over and over."""

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        *,
        address: str,
        versions: tuple[Version, ...],
        keepalive_s: float,
        hear: Mapping[str, Callable[[Received], None]] | None = None,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        """Starts disconnected.

        Args:
            transport: the MQTT client.
            outbox: what to send.
            address: the broker's name in the log.
            versions: MQTT versions to try, best first.
            keepalive_s: a broker that confirms nothing for so long counts as gone.
            hear: by topic filter, what to call with a message; it may post, and does not wait.
            uniform: random numbers in [0, 1) for the jitter.
        """
        self._transport = transport
        self._outbox = outbox
        self._address = address
        self._versions = versions
        self._keepalive_s = keepalive_s
        self._hear = hear or {}
        self._uniform = uniform
        self._phase = _Phase.PAUSING
        self._until_s = -inf
        self._turned_s: float | None = None
        self._version = versions[0]
        self._spoken: Version | None = None
        self._unconfirmed: dict[int, tuple[Waiting, float]] = {}
        self._limits = Limits()
        self._one_by_one = False
        self._unasked_s = -inf
        self._failures = 0
        self._unsteady = 0
        self._connections = 0
        self._connected_s = 0.0
        self._down_since_s: float | None = None
        self._told: set[str] = set()
        self._leave_by_s: float | None = None

    @property
    def stats(self) -> LinkStats:
        """How the link does; from any thread."""
        return LinkStats(
            connected=self._phase is _Phase.CONNECTED,
            protocol=None if self._spoken is None else self._spoken.value,
            reconnects=max(0, self._connections - 1),
            queued=len(self._outbox),
            lost=self._outbox.lost,
            events_lost=self._outbox.lost_vital,
            turned_s=self._turned_s,
        )

    @property
    def has_left(self) -> bool:
        """Whether the farewell is over; `advance` has nothing more to do."""
        return self._phase is _Phase.LEFT

    def leave(self, now_s: float) -> None:
        """Send what waits and go, within half a second."""
        self._leave_by_s = now_s + _FAREWELL_S

    def advance(self, now_s: float) -> float:
        """Do what can be done now; how many seconds may pass until the next call if nothing happens."""
        self._turned_s = now_s
        if self._phase is _Phase.PAUSING and now_s >= self._until_s and self._leave_by_s is None:
            self._open(now_s)
            return 0.0
        for event in self._transport.poll():
            self._handle(event, now_s)
        if self._phase is _Phase.ASKING and self._until_s == inf:
            self._until_s = now_s + _ANSWER_S  # only now: to open the connection may have taken seconds
        if self._phase is _Phase.ASKING and now_s >= self._until_s:
            self._not_let_in(now_s, "it does not answer")
        if self._phase is _Phase.CONNECTED:
            if now_s - self._oldest_s(now_s) >= self._keepalive_s:
                self._lost(now_s, "it does not answer")
            else:
                self._send(now_s)
        if self._leave_by_s is not None:
            return self._part(now_s, self._leave_by_s)
        return _IDLE_S if self._phase is _Phase.CONNECTED else max(0.0, self._until_s - now_s)

    def _open(self, now_s: float) -> None:
        if self._down_since_s is None:
            self._down_since_s = now_s
        try:
            self._transport.open(self._version)
        except OSError as error:
            self._tell("unreachable", f"cannot be reached: {error.strerror or error}")
            self._pause(now_s)
        else:
            self._phase = _Phase.ASKING
            self._until_s = inf

    def _handle(self, event: Event, now_s: float) -> None:
        match event:
            case Accepted(largest_packet_bytes):
                self._limits.largest_packet_bytes = largest_packet_bytes
                self._accepted(now_s)
            case Confirmed():
                self._confirmed(event)
            case Received():
                self._received(event)
            case Deaf(reason):
                self._tell("deaf", f"does not let us hear commands: {reason}; look at its access rules")
            case Refused():
                self._refused(event, now_s)
            case Closed():
                self._closed(event, now_s)

    def _refused(self, event: Refused, now_s: float) -> None:
        match event:
            case Refused(Refusal.PROTOCOL, reason):
                self._not_let_in(now_s, reason, speaks_other=True)
            case Refused(Refusal.CREDENTIALS, reason):
                self._tell("credentials", f"refuses us: {reason}; look at mqtt.username and mqtt.password")
                self._pause(now_s, _REFUSED_S)
            case Refused(_, reason):
                self._not_let_in(now_s, reason)

    def _confirmed(self, event: Confirmed) -> None:
        if event.rejected:
            self._give_up(event.number)
        elif (confirmed := self._unconfirmed.pop(event.number, None)) is not None:
            self._limits.acquit(confirmed[0])
            if event.refused is None:
                self._outbox.settle(confirmed[0])
            else:
                self._outbox.lose(confirmed[0])
        if event.refused is not None and not event.rejected:
            self._tell("topic", f"does not take our messages: {event.refused}; look at its access rules")

    def _received(self, event: Received) -> None:
        for listened, hear in self._hear.items():
            if _matches(listened, event.topic):
                hear(event)

    def _closed(self, event: Closed, now_s: float) -> None:
        """Nothing is left to do after a refusal that was heard already."""
        if self._phase is _Phase.CONNECTED:
            suspect_s = [
                sent_s for waiting, sent_s in self._unconfirmed.values() if self._limits.is_suspicious(waiting)
            ]
            if now_s - self._connected_s >= _STEADY_S and not (suspect_s and now_s - suspect_s[0] < _PROMPT_S):
                self._limits.forget()
            if now_s - self._unasked_s < _PROMPT_S and not event.taken_over:
                self._limits.be_wary()
            if event.rejected:
                self._give_up_largest()
            elif not event.taken_over:
                self._blame_first()
            self._lost(now_s, event.reason, taken_over=event.taken_over)
        elif self._phase is _Phase.ASKING:
            self._not_let_in(now_s, event.reason)

    def _accepted(self, now_s: float) -> None:
        down_s = 0.0 if self._down_since_s is None else now_s - self._down_since_s
        after = f" after {down_s:.1f} s" if self._connections or self._told else ""
        verb = "Back at" if self._connections else "Connected to"
        _log.info("%s the MQTT broker %s%s, MQTT %s", verb, self._address, after, self._version.value)
        self._phase = _Phase.CONNECTED
        self._spoken = self._version
        self._connections += 1
        self._connected_s = now_s
        self._down_since_s = None
        self._told.clear()
        if self._hear:
            self._transport.listen(tuple(self._hear))

    def _lost(self, now_s: float, reason: str, *, taken_over: bool = False) -> None:
        if now_s - self._connected_s >= _STEADY_S:
            self._failures = self._unsteady = 0
        else:
            self._unsteady += 1
        rival = taken_over or self._unsteady >= _UNSTEADY
        hint = "; does another daemon have the same device name?" if rival else ""
        self._tell("lost", f"is lost: {reason}{hint}")
        self._down_since_s = now_s
        self._version = self._versions[0]
        self._pause(now_s)

    def _give_up_largest(self) -> None:
        """What the broker could not bear would end the next connection as well, and every one after it."""
        if self._unconfirmed:
            self._give_up(max(self._unconfirmed, key=lambda number: len(self._unconfirmed[number][0].message.payload)))

    def _blame_first(self) -> None:
        """The broker hung up without a word; if it does so again over the same message, that one is dropped.

        What comes next goes one by one, so that there is no doubt which message it was.
        """
        for number, (waiting, _) in self._unconfirmed.items():
            if self._limits.is_suspicious(waiting):
                self._one_by_one = True
                if self._limits.blame(waiting):
                    self._give_up(number, dearly=True)
                return

    def _give_up(self, number: int, *, dearly: bool = False) -> None:
        if (rejected := self._unconfirmed.pop(number, None)) is not None:
            self._limits.learn(rejected[0].message, dearly=dearly)
            self._drop(rejected[0])

    def _drop(self, waiting: Waiting) -> None:
        self._outbox.discard(waiting)
        topic, size = waiting.message.topic, len(waiting.message.payload)
        self._tell(f"size {topic}", f"does not bear {size} bytes on {topic}: they are dropped")

    def _not_let_in(self, now_s: float, reason: str, *, speaks_other: bool = False) -> None:
        """Some old brokers refuse a new version by a word, others hang up or say nothing: try the next one.

        One that has spoken a version with us before and now hangs up is merely restarting.
        """
        if speaks_other or self._spoken is not self._version:
            place = (self._versions.index(self._version) + 1) % len(self._versions)
            self._version = self._versions[place]
            if place:
                self._pause(now_s, 0.0)
                return
        self._tell("refused", f"does not let us in: {reason}")
        self._pause(now_s)

    def _pause(self, now_s: float, pause_s: float | None = None) -> None:
        """Close and wait, by default longer each time; jitter keeps a house full of devices out of step."""
        if pause_s is None:
            first_s, longest_s = _BACKOFF_S
            pause_s = min(longest_s, first_s * 2 ** min(self._failures, 16))
            self._failures += 1
        self._transport.abort()
        self._outbox.give_back([waiting for waiting, _ in self._unconfirmed.values()], now_s)
        self._unconfirmed.clear()
        self._until_s = now_s + pause_s * (1 - self._uniform() / 2)
        self._phase = _Phase.PAUSING

    def _send(self, now_s: float) -> None:
        while (
            len(self._unconfirmed) < (1 if self._one_by_one else _WINDOW)
            and now_s - self._oldest_s(now_s) < _STALL_S
            and not self._transport.is_clogged()
        ):
            waiting = self._outbox.take(now_s)
            if waiting is None:
                self._one_by_one = self._one_by_one and bool(self._unconfirmed)
                return
            if not self._limits.bear(waiting.message):
                self._drop(waiting)
                continue
            remaining_s = waiting.remaining_s(now_s)
            message = self._limits.to_be_sent(waiting.message)
            number = self._transport.send(message, None if remaining_s is None else ceil(remaining_s))
            if message.qos:
                self._unconfirmed[number] = (waiting, now_s)
            elif self._limits.is_suspicious(waiting):
                self._unasked_s = now_s

    def _oldest_s(self, now_s: float) -> float:
        return next((sent_s for _, sent_s in self._unconfirmed.values()), now_s)

    def _part(self, now_s: float, leave_by_s: float) -> float:
        busy = self._phase is _Phase.CONNECTED and (
            self._unconfirmed or len(self._outbox) or self._transport.is_clogged()
        )
        if busy and now_s < leave_by_s:
            return leave_by_s - now_s
        if self._phase is _Phase.CONNECTED and not busy:
            self._transport.disconnect()
        else:
            self._transport.abort()  # the farewell is unconfirmed: the broker shall publish the last will
        self._phase = _Phase.LEFT
        return 0.0

    def _tell(self, kind: str, what: str) -> None:
        """Log each kind of trouble once until the broker is back."""
        if kind not in self._told:
            self._told.add(kind)
            _log.warning("The MQTT broker %s %s", self._address, what)


def _matches(topic_filter: str, topic: str) -> bool:
    wanted, levels = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(levels) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))
