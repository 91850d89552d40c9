from collections.abc import Sequence
from math import inf
from pathlib import Path

import numpy as np
import pytest

from edge_fer.bench.delivery import NoBroker, TimedPost
from edge_fer.bench.figures import Cpu, Figures, Heat, Machine
from edge_fer.bench.laps import Spread
from edge_fer.bench.machine import Load
from edge_fer.bench.measure import Bench, figures, run_window
from edge_fer.camera import Capture, EndOfStream, Picture
from edge_fer.card import read_card
from edge_fer.errors import CameraError
from edge_fer.publish.outbox import Message
from edge_fer.publish.sinks import ReadingsOnly
from edge_fer.records import Frame, Reading
from edge_fer.stages import Stopwatch
from tests.clocks import NanosecondClock

MS = 1_000_000
CARD = read_card(Path(__file__).parents[1] / "fixtures" / "tiny.json")
MACHINE = Machine("Linux 6.6", "aarch64", None, 4, 1000.0, {})
READING = Reading(0.0, 1, "happy", 1.0, {"happy": 1.0}, (0.1, 0.1, 0.2, 0.2), 0.0)


class FakeFilm:
    """Ten milliseconds to decode a picture."""

    name, details = "film", "8x8"

    def __init__(self, clock: NanosecondClock, pictures: int) -> None:
        self._clock, self._left, self.index = clock, pictures, 0

    def read(self) -> Picture:
        if self.index == self._left:
            raise EndOfStream
        self._clock.now_ns += 10 * MS
        self.index += 1
        return Picture(np.zeros((6, 8), np.uint8), position_s=self.index / 30)

    def close(self) -> None:
        pass


class FakePath:
    """Detects in 20 ms in every fourth frame, classifies in 5."""

    def __init__(self, clock: NanosecondClock, first: float) -> None:
        self.watch = Stopwatch(clock)
        self._clock, self._first = clock, first

    def process(self, frame: Frame) -> list[Reading]:
        self.watch.start()
        if frame.index % 4 == 0:
            self._clock.now_ns += 20 * MS
            self.watch.lap("detect")
        self._clock.now_ns += 5 * MS
        self.watch.lap("classify")
        return [READING] if frame.index >= self._first else []


class FakeSink(ReadingsOnly):
    """Hands one message over after two milliseconds."""

    def __init__(self, clock: NanosecondClock, timed: TimedPost) -> None:
        self._clock, self._timed = clock, timed

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        self._clock.now_ns += 2 * MS
        self._timed.post(Message("b/d/emotion", b"{}"))


class Machinery:
    def __init__(self, pictures: int = 100_000, *, first_reading: float = 2) -> None:
        self.clock = NanosecondClock()
        self.clock.now_ns = 1000 * MS
        self.timed = TimedPost(NoBroker(), base="b/d", clock_ns=self.clock)
        self.capture = Capture(
            lambda: FakeFilm(self.clock, pictures), name="film", live=False, clock=lambda: self.clock.now_ns / 1e9
        )
        self.heats = [Heat(50.0, throttled=False), Heat(70.0, throttled=True)]
        self.warmed_up: list[int] = []
        self.bench = Bench(
            pipeline=FakePath(self.clock, first_reading),
            capture=self.capture,
            sink=FakeSink(self.clock, self.timed),
            timed=self.timed,
            patience_s=15,
            clock_ns=self.clock,
            cpu_ns=lambda: self.clock.now_ns // 2,
            load=lambda: Load(self.clock.now_ns, self.clock.now_ns // 2, (0,), (1,)),
            heat=lambda: self.heats.pop(0),
        )

    def measure(self, seconds: float) -> Figures:
        window = run_window(self.bench, seconds=seconds, after_warm_up=lambda frame: self.warmed_up.append(frame.index))
        latency = self.timed.latency("none")
        return figures(
            window,
            self.bench,
            started_ns=500 * MS,
            latency=latency,
            model=CARD,
            detector="yunet",
            conditions={},
            machine=lambda: MACHINE,
        )


def test_every_figure_follows_from_the_script() -> None:
    machinery = Machinery()
    found = machinery.measure(2.2)
    # 17 ms a frame, and 20 more in every fourth: 88 ms for four.
    assert machinery.warmed_up == [44]  # in which the first second ended
    assert (found.frames, found.seconds) == (100, 2.2)
    assert found.fps == pytest.approx(1000 / 22)
    assert found.stages == {
        "capture": Spread(10.0, 10.0, 10.0, 10.0, 10.0),
        "detect": Spread(20.0, 20.0, 20.0, 20.0, 5.0),
        "classify": Spread(5.0, 5.0, 5.0, 5.0, 5.0),
        "publish": Spread(2.0, 2.0, 2.0, 2.0, 2.0),
    }
    assert found.work == Spread(17.0, 37.0, 37.0, 37.0, 22.0)
    assert found.overhead == pytest.approx(2 / 12)
    assert found.time_to_first_reading_s == pytest.approx(0.5 + 0.037 + 0.017 + 0.017)
    assert found.latency.queued == Spread(7.0, 27.0, 27.0, 27.0, 12.0)
    assert found.latency.posted == 100
    assert (found.faces, found.dropped) == (1.0, 0)
    assert found.cpu == Cpu(50.0, (0.0,))
    assert (found.before, found.after) == (Heat(50.0, throttled=False), Heat(70.0, throttled=True))
    assert (found.model, found.detector) == ({"name": "tiny", "sha256": CARD.sha256}, "yunet")
    assert len(found.blocks) == 20
    assert sum(block.fps for block in found.blocks) / 20 == pytest.approx(found.fps)
    assert found.blocks[0].cpu_ms == pytest.approx(105 / 2 / 5)  # five frames end in its 110 ms
    assert not machinery.capture.state.online


def test_a_film_that_ends_within_the_window_ends_it() -> None:
    found = Machinery(pictures=60).measure(1000)
    assert found.frames == 60 - 45


@pytest.mark.parametrize("pictures", [1, 45])
def test_a_film_that_is_over_with_the_warm_up_is_too_short(pictures: int) -> None:
    machinery = Machinery(pictures)
    with pytest.raises(CameraError, match=f"^film: {pictures} frames are too few to measure; .*--source clip"):
        machinery.measure(10)


def test_a_run_that_is_stopped_after_the_warm_up_lets_go_of_the_camera() -> None:
    machinery = Machinery()

    def stop(_frame: Frame) -> None:
        raise CameraError("unlike")

    with pytest.raises(CameraError, match="unlike"):
        run_window(machinery.bench, seconds=10, after_warm_up=stop)
    assert not machinery.capture.state.online


def test_nothing_seen_has_no_first_reading() -> None:
    assert Machinery(first_reading=inf).measure(1).time_to_first_reading_s is None
