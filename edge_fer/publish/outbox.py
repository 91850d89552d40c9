"""What waits for the broker: bounded in number and age, whatever the broker does.

A state topic needs its latest value only; anything else is kept in order until it is too old or too much.
The same box remembers what is retained, so that a broker which forgot everything is told again.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class Message:
    """One message for the broker.

    Attributes:
        topic: full topic.
        payload: bytes as they go out.
        qos: 0 or 1.
        retain: whether the broker keeps it for later subscribers.
        latest: whether a newer message on the topic makes this one worthless.
        ttl_s: seconds after which it is worthless; None: never. With MQTT 5 the broker is told too.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    latest: bool = True
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message with the time it was put in; the same object comes back when it is returned."""

    message: Message
    since_s: float
    place: int

    def remaining_s(self, now_s: float) -> float | None:
        """Seconds until it is worthless, None if it never is."""
        ttl_s = self.message.ttl_s
        return None if ttl_s is None else self.since_s + ttl_s - now_s


class Outbox:
    """Thread-safe: the daemon's loop puts, the network thread takes.

    Every `now_s` is of one monotonic clock.
    """

    def __init__(self, *, capacity: int = 256) -> None:
        """`capacity` bounds the messages that wait; beyond it the oldest that is not retained is lost."""
        self._capacity = capacity
        self._lock = threading.Lock()
        self._places = count()
        self._waiting: OrderedDict[str | int, Waiting] = OrderedDict()
        self._retained: dict[str, Waiting] = {}
        self._lost = 0

    @property
    def lost(self) -> int:
        """Messages dropped unsent: too old or too many."""
        with self._lock:
            return self._lost

    def __len__(self) -> int:
        with self._lock:
            return len(self._waiting)

    def put(self, message: Message, now_s: float) -> None:
        """Add a message; a state keeps the place in the queue of the value that it replaces."""
        with self._lock:
            replaced = self._waiting.get(message.topic) if message.latest else None
            waiting = Waiting(message, now_s, replaced.place if replaced else next(self._places))
            self._waiting[_key(waiting)] = waiting
            if message.retain:
                self._retained[message.topic] = waiting
            self._drop_stale(now_s)
            if len(self._waiting) > self._capacity:
                self._drop_oldest()

    def take(self, now_s: float) -> Waiting | None:
        """The next message that is still worth sending."""
        with self._lock:
            self._drop_stale(now_s)
            return self._waiting.popitem(last=False)[1] if self._waiting else None

    def give_back(self, unsent: list[Waiting], now_s: float) -> None:
        """After a lost connection: queue again what went out unconfirmed, and every retained state.

        Order is kept, and a newer value of a state that came meanwhile wins.
        """
        with self._lock:
            self._forget_stale(now_s)
            merged = {_key(waiting): waiting for waiting in (*unsent, *self._retained.values())}
            merged.update(self._waiting)
            self._waiting = OrderedDict(sorted(merged.items(), key=lambda item: item[1].place))
            self._drop_stale(now_s)
            while len(self._waiting) > self._capacity:
                self._drop_oldest()

    def _drop_stale(self, now_s: float) -> None:
        stale = [key for key, waiting in self._waiting.items() if _is_stale(waiting, now_s)]
        for key in stale:
            del self._waiting[key]
        self._lost += len(stale)

    def _forget_stale(self, now_s: float) -> None:
        for topic in [topic for topic, waiting in self._retained.items() if _is_stale(waiting, now_s)]:
            del self._retained[topic]

    def _drop_oldest(self) -> None:
        oldest = next((key for key, waiting in self._waiting.items() if not waiting.message.retain), None)
        if oldest is not None:
            del self._waiting[oldest]
            self._lost += 1


def _key(waiting: Waiting) -> str | int:
    return waiting.message.topic if waiting.message.latest else waiting.place


def _is_stale(waiting: Waiting, now_s: float) -> bool:
    remaining_s = waiting.remaining_s(now_s)
    return remaining_s is not None and remaining_s <= 0
