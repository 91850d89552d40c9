"""What waits for the broker: bounded in number and age, whatever the broker does.

A state topic needs its latest value only; anything else is kept in order until it is too old or too much.
States go first, so that after an outage they are current at once, however many events wait behind them.
The same box remembers what is retained, so that a broker which forgot everything is told again.
"""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_fer.publish.spool import Spool

_STATES: Final = 256
"""Topics whose state may wait; beyond it the oldest state that is not retained is lost."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the broker.

    Attributes:
        topic: full topic.
        payload: bytes as they go out.
        qos: 0 or 1.
        retain: whether the broker keeps it for later subscribers.
        latest: whether a newer message on the topic makes this one worthless.
        vital: whether its loss is counted on its own, too.
        ttl_s: seconds after which it is worthless; None: never. With MQTT 5 the broker is told too.
        correlation: what who asked wants to find in the answer (MQTT 5); None: nothing.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    latest: bool = True
    vital: bool = False
    ttl_s: float | None = None
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message with the time it was put in; the same object comes back when it is returned."""

    message: Message
    since_s: float
    place: int
    row: int | None = None
    """Where it lies in the spool, if it does."""

    def remaining_s(self, now_s: float) -> float | None:
        """Seconds until it is worthless, None if it never is."""
        ttl_s = self.message.ttl_s
        return None if ttl_s is None else self.since_s + ttl_s - now_s


class Outbox:
    """Thread-safe: the daemon's loop puts, the network thread takes.

    Every `now_s` is of one monotonic clock.
    """

    def __init__(
        self, *, capacity: int = 1000, spool: "Spool | None" = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        """An empty box.

        Args:
            capacity: bounds the messages that wait in order; beyond it the oldest is lost.
            spool: where vital messages lie on disk, too, until they have arrived.
            wall_clock: seconds since the epoch, for the spool.
        """
        self._capacity = capacity
        self._spool = spool
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._places = count()
        self._states: OrderedDict[str, Waiting] = OrderedDict()
        self._in_order: deque[Waiting] = deque()
        self._retained: dict[str, Waiting] = {}
        self._lost = 0
        self._lost_vital = 0

    @property
    def lost(self) -> int:
        """Messages dropped: too old, too many, or refused by the broker."""
        with self._lock:
            return self._lost

    @property
    def lost_vital(self) -> int:
        """Those of them that were vital."""
        with self._lock:
            return self._lost_vital

    def __len__(self) -> int:
        with self._lock:
            return len(self._states) + len(self._in_order)

    def put(self, message: Message, now_s: float) -> None:
        """Add a message; a state keeps the place in the queue of the value that it replaces."""
        with self._lock:
            replaced = self._states.get(message.topic) if message.latest else None
            waiting = Waiting(message, now_s, replaced.place if replaced else next(self._places))
            if message.latest:
                self._states[message.topic] = waiting
                if message.retain:
                    self._retained[message.topic] = waiting
            else:
                self._in_order.append(self._spooled(waiting))
            self._shrink(now_s)

    def restore(self, now_s: float, *, ttl_s: float) -> None:
        """Queue what an earlier run left in the spool, as old as it is."""
        if self._spool is None:
            return
        with self._lock:
            for left in self._spool.waiting():
                message = Message(left.topic, left.payload, qos=1, latest=False, vital=True, ttl_s=ttl_s)
                age_s = max(0.0, self._wall_clock() - left.wall_s)
                self._in_order.append(Waiting(message, now_s - age_s, next(self._places), left.row))
            self._shrink(now_s)

    def settle(self, taken: Waiting) -> None:
        """The broker has a message that was taken."""
        with self._lock:
            self._strike_out(taken)

    def take(self, now_s: float) -> Waiting | None:
        """The next message that is still worth sending."""
        with self._lock:
            self._shrink(now_s)
            if self._states:
                return self._states.popitem(last=False)[1]
            return self._in_order.popleft() if self._in_order else None

    def give_back(self, unsent: list[Waiting], now_s: float) -> None:
        """After a lost connection: queue again what went out unconfirmed, and every retained state.

        Order is kept, and a newer value of a state that came meanwhile wins.
        """
        with self._lock:
            self._forget_stale(now_s)
            states = [waiting for waiting in unsent if waiting.message.latest]
            merged = {waiting.message.topic: waiting for waiting in (*states, *self._retained.values())}
            merged.update(self._states)
            self._states = OrderedDict(sorted(merged.items(), key=lambda item: item[1].place))
            in_order = [waiting for waiting in unsent if not waiting.message.latest]
            self._in_order.extendleft(sorted(in_order, key=lambda waiting: waiting.place, reverse=True))
            self._shrink(now_s)

    def lose(self, taken: Waiting) -> None:
        """The broker did not want a message that was taken; a state may be welcome on another connection."""
        with self._lock:
            self._lose(taken)

    def discard(self, taken: Waiting) -> None:
        """Give up a message that was taken, for good."""
        with self._lock:
            if self._retained.get(taken.message.topic) is taken:
                del self._retained[taken.message.topic]
            self._lose(taken)

    def _shrink(self, now_s: float) -> None:
        """Drop what is too old or too much."""
        for topic in [topic for topic, waiting in self._states.items() if _is_stale(waiting, now_s)]:
            self._lose(self._states.pop(topic))
        while len(self._states) > _STATES:
            oldest = next((topic for topic, waiting in self._states.items() if not waiting.message.retain), None)
            if oldest is None:
                break
            self._lose(self._states.pop(oldest))
        while self._in_order and (len(self._in_order) > self._capacity or _is_stale(self._in_order[0], now_s)):
            self._lose(self._in_order.popleft())

    def _spooled(self, waiting: Waiting) -> Waiting:
        message = waiting.message
        if self._spool is None or not message.vital:
            return waiting
        return replace(waiting, row=self._spool.add(self._wall_clock(), message.topic, message.payload))

    def _strike_out(self, waiting: Waiting) -> None:
        if self._spool is not None and waiting.row is not None:
            self._spool.remove(waiting.row)

    def _lose(self, waiting: Waiting) -> None:
        self._strike_out(waiting)
        self._lost += 1
        self._lost_vital += waiting.message.vital

    def _forget_stale(self, now_s: float) -> None:
        for topic in [topic for topic, waiting in self._retained.items() if _is_stale(waiting, now_s)]:
            del self._retained[topic]


def _is_stale(waiting: Waiting, now_s: float) -> bool:
    remaining_s = waiting.remaining_s(now_s)
    return remaining_s is not None and remaining_s <= 0
