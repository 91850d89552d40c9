"""`edge-fer simulate`: what many devices would publish, to see what a broker and its subscribers bear.

Each device is a sink of its own with its own connection, the very one that the daemon uses; only what its camera
sees is made up.
"""

import random
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Final, TextIO

from edge_fer import __version__
from edge_fer.assembly import broker_access
from edge_fer.config import Config
from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.publish.policy import Every
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import LABELS, Reading

_FILES_PER_DEVICE: Final = 3
_LOOK_S: Final = 0.2
"""The longest that a wish to stop goes unnoticed in a pause."""
_VISIT_S: Final = 60.0
_MOOD_S: Final = 5.0
_SURE: Final = 0.7

_INFO: Final = Info(
    version=__version__,
    model_name="simulated",
    model_sha256="0" * 64,
    labels=LABELS,
    camera="simulated",
    detector="simulated",
    started_at_s=0.0,
    config_digest="0",
)


class Face:
    """A face that changes its emotion every few seconds, and after about a minute makes way for another.

    Args:
        tracks: gives the numbers of the device's faces.
        chance: the source of all that is random.
    """

    def __init__(self, tracks: Iterator[int], chance: random.Random) -> None:
        self._tracks = tracks
        self._chance = chance
        self._leaves_s = self._changes_s = self._since_s = float("-inf")
        self._track = 0
        self._emotion = LABELS[0]

    def at(self, time_s: float) -> Reading:
        """Its reading; times must not go back."""
        if time_s >= self._leaves_s:
            self._track = next(self._tracks)
            self._leaves_s = time_s + self._chance.expovariate(1 / _VISIT_S)
            self._changes_s = time_s
        if time_s >= self._changes_s:
            self._emotion = self._chance.choice(LABELS)
            self._since_s = time_s
            self._changes_s = time_s + self._chance.expovariate(1 / _MOOD_S)
        rest = (1 - _SURE) / (len(LABELS) - 1)
        scores = {label: _SURE if label == self._emotion else rest for label in LABELS}
        return Reading(time_s, self._track, self._emotion, _SURE, scores, (0.4, 0.3, 0.2, 0.3), time_s - self._since_s)


class Device:
    """A device with so many faces in view."""

    def __init__(self, sink: MqttSink, *, faces: int, health_s: float, chance: random.Random) -> None:
        tracks = count(1)
        self.sink = sink
        self._faces = [Face(tracks, chance) for _ in range(faces)]
        self._health_due = Every(health_s)
        sink.info(_INFO)
        sink.camera(online=True)
        sink.running(True)

    def turn(self, time_s: float) -> None:
        """One frame."""
        self.sink.publish(time_s, [face.at(time_s) for face in self._faces])
        if self._health_due(time_s):
            self.sink.health(HealthReport(fps=30, stages={}, dropped_frames=0, camera_reconnects=0, rss_mb=0))
        self.sink.check()


def run_simulation(
    config: Config,
    out: TextIO,
    *,
    devices: int,
    faces: int,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> int:
    """Publish as so many devices until the time is over, then take back what the broker kept of them.

    Args:
        config: the broker, topics and rates.
        out: where the figures go.
        devices: how many.
        faces: in view of each.
        seconds: how long; infinity: until it is stopped.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        stopped: whether to end before the time is over.

    Returns:
        the exit code: 0, or 1 if a device was not connected in the end or lost an event.

    Raises:
        BrokerError: a TLS file cannot be used.
    """
    _allow_files(_FILES_PER_DEVICE * devices + 100)
    mqtt = config.mqtt
    with ExitStack() as stack:
        simulated = []
        for number in range(1, devices + 1):
            sink = connect(
                device=f"simulated-{number}",
                base_topic=mqtt.base_topic,
                heartbeat_s=mqtt.heartbeat_s,
                rate_hz=mqtt.rate_hz,
                keepalive_s=mqtt.keepalive_s,
                **broker_access(mqtt),
            )
            stack.callback(sink.retire)
            chance = random.Random(number)  # noqa: S311 - nothing secret, and the same in every run
            simulated.append(Device(sink, faces=faces, health_s=mqtt.health_s, chance=chance))
        began_s, began_cpu_s = clock(), time.process_time()
        _run(simulated, rate_hz=mqtt.rate_hz, ends_s=began_s + seconds, clock=clock, sleep=sleep, stopped=stopped)
        share = (time.process_time() - began_cpu_s) / (clock() - began_s)
        links = [device.sink.link for device in simulated]
        connected = sum(link.connected for link in links)
        lost = sum(link.events_lost for link in links)
        print(
            f"{connected} of {devices} device{'' if devices == 1 else 's'} connected, each with"
            f" {faces} face{'' if faces == 1 else 's'} at {mqtt.rate_hz:g} readings/s:"
            f" {sum(link.queued for link in links)} messages waiting, {sum(link.lost for link in links)} lost,"
            f" {lost} of them events; this process took {share:.0%} of a core",
            file=out,
        )
    return 0 if connected == devices and not lost else 1


def _run(
    devices: list[Device],
    *,
    rate_hz: float,
    ends_s: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    stopped: Callable[[], bool],
) -> None:
    """Every device in its turn, evenly over each period, as devices that know nothing of each other would be."""
    began_s = clock()
    for turn in count():
        due_s = began_s + turn / rate_hz / len(devices)
        if due_s >= ends_s:
            return
        while not stopped() and (early_s := due_s - clock()) > 0:
            sleep(min(early_s, _LOOK_S))
        if stopped():
            return
        devices[turn % len(devices)].turn(due_s)


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
