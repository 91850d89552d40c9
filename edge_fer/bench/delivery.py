"""From camera to MQTT: the daemon's own sink, timed at the hand-over to the network thread and at a subscriber.

The messages go to a base topic of the benchmark's own, without Home Assistant, and leave nothing behind on the broker.
"""

import contextlib
import logging
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from edge_fer.assembly import broker_access
from edge_fer.bench.figures import Latency
from edge_fer.bench.laps import Spread
from edge_fer.config import MqttConfig
from edge_fer.errors import BrokerError
from edge_fer.publish.connection import Connection
from edge_fer.publish.listen import listen
from edge_fer.publish.mqtt import MqttSink, Post, try_broker
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.reports import LinkStats
from edge_fer.publish.transport import Received

TRY_S: Final = 2.0
CONNECT_S: Final = 5.0
_MOST_UNHEARD: Final = 10_000


class NoBroker:
    """A `Post` whose messages wait in a real outbox until a newer one replaces them; nobody ever takes them."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        self.stats = LinkStats(connected=False, protocol=None, reconnects=0, queued=0, lost=0, events_lost=0)

    def post(self, message: Message) -> None:
        """Queue it."""
        self._outbox.put(message, time.monotonic())

    def repeat(self) -> None:
        """Nothing: nobody waits."""

    def check(self) -> None:
        """Nothing: there is no thread."""

    def close(self) -> None:
        """Nothing is held."""


class TimedPost:
    """A `Post` that takes down how old the frame behind each reading is, now and when a subscriber has it.

    Args:
        forward: what really posts.
        base: the device's topic; readings stand on `emotion` and `faces/<track>` below it.
        clock_ns: monotonic nanoseconds.
    """

    def __init__(self, forward: Post, *, base: str, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._forward = forward
        self._emotion, self._faces = f"{base}/emotion", f"{base}/faces/"
        self._clock_ns = clock_ns
        self._arrived_ns: int | None = None
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, bytes], int] = {}
        self._queued_ns = array("q")
        self._heard_ns = array("q")

    @property
    def topics(self) -> tuple[str, str]:
        """The topic filters on which a subscriber hears the readings."""
        return self._emotion, f"{self._faces}+"

    @property
    def stats(self) -> LinkStats:
        """See `Post`."""
        return self._forward.stats

    def forget(self) -> None:
        """Begin anew, as after a warm-up."""
        with self._lock:
            self._under_way.clear()
            self._queued_ns, self._heard_ns = array("q"), array("q")

    def frame_arrived(self, time_ns: int | None) -> None:
        """What is posted from now on is about a frame that arrived then; None: about no frame."""
        self._arrived_ns = time_ns

    def post(self, message: Message) -> None:
        """See `Post`."""
        arrived_ns = self._arrived_ns
        if arrived_ns is not None and (message.topic == self._emotion or message.topic.startswith(self._faces)):
            with self._lock:
                self._queued_ns.append(self._clock_ns() - arrived_ns)
                if len(self._under_way) >= _MOST_UNHEARD:
                    del self._under_way[next(iter(self._under_way))]
                self._under_way[message.topic, message.payload] = arrived_ns
        self._forward.post(message)

    def hear(self, received: Received) -> None:
        """The subscriber has a message; called on its network thread."""
        now_ns = self._clock_ns()
        with self._lock:
            arrived_ns = self._under_way.pop((received.topic, received.payload), None)
            if arrived_ns is not None:
                self._heard_ns.append(now_ns - arrived_ns)

    def repeat(self) -> None:
        """See `Post`."""
        self._forward.repeat()

    def check(self) -> None:
        """See `Post`."""
        self._forward.check()

    def close(self) -> None:
        """See `Post`."""
        self._forward.close()

    def latency(self, broker: str) -> Latency:
        """What was taken down since `forget`."""
        with self._lock:
            queued, heard = _spread(self._queued_ns), _spread(self._heard_ns)
            return Latency(queued, heard, len(self._queued_ns), len(self._heard_ns), broker)


class Delivery:
    """A sink for the benchmark, and the subscriber behind the broker, if there is one.

    Args:
        mqtt: the configured broker and rates.
        device: the device's name.
    """

    def __init__(self, mqtt: MqttConfig, device: str) -> None:
        base = f"{mqtt.base_topic}-bench/{device}-{os.getpid()}"
        self._subscriber: Connection | None = None
        poster: Post = NoBroker()
        self.broker = _reach(mqtt)
        reached = self.broker.startswith("MQTT")
        if reached:
            poster = listen(topics=(f"{base}/command",), hear=lambda _received: None, **broker_access(mqtt))
        self.timed = TimedPost(poster, base=base)
        if reached:
            self._subscriber = listen(topics=self.timed.topics, hear=self.timed.hear, **broker_access(mqtt))
            _await(poster, self._subscriber)
        self.sink = MqttSink(
            self.timed,
            base=base,
            heartbeat_s=mqtt.heartbeat_s,
            rate_hz=mqtt.rate_hz,
            event_ttl_s=mqtt.events.max_age_s,
            health_s=mqtt.health_s,
        )

    def latency(self) -> Latency:
        """See `TimedPost.latency`."""
        return self.timed.latency(self.broker)

    def close(self) -> None:
        """Leave, and take back what the broker keeps."""
        self.timed.frame_arrived(None)
        self.sink.retire()
        if self._subscriber is not None:
            self._subscriber.close()


def _reach(mqtt: MqttConfig) -> str:
    if not mqtt.enabled:
        return "none asked for (mqtt.enabled is false)"
    try:
        with _warnings_muted():
            version = try_broker(**broker_access(mqtt), timeout_s=TRY_S)
    except BrokerError as error:
        return str(error)
    return f"MQTT {version} at {mqtt.host}:{mqtt.port}"


@contextlib.contextmanager
def _warnings_muted() -> Iterator[None]:
    """A broker that cannot be reached is an answer here, and no reason to warn on every attempt."""
    log = logging.getLogger("edge_fer.publish")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _await(*connections: Post) -> None:
    """Until all are connected, or it has taken too long: then their messages are simply not heard."""
    deadline_s = time.monotonic() + CONNECT_S
    while not all(one.stats.connected for one in connections) and time.monotonic() < deadline_s:
        time.sleep(0.01)


def _spread(durations_ns: "array[int]") -> Spread | None:
    return Spread.of(np.array(durations_ns, np.int64), frames=len(durations_ns)) if durations_ns else None
