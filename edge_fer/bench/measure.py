"""The loop that is timed: the daemon's, with a warm-up before the window."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, Protocol

from edge_fer import board
from edge_fer.bench.delivery import TimedPost
from edge_fer.bench.figures import Cpu, Figures, Heat, Latency, Machine
from edge_fer.bench.laps import WAITING, FrameWatch, Laps
from edge_fer.bench.machine import Load, describe, heat_now, load_between, load_now, peak_resident_mb
from edge_fer.camera import Capture, EndOfStream
from edge_fer.card import Card
from edge_fer.errors import CameraError
from edge_fer.publish.sinks import Sink
from edge_fer.records import Frame, Reading
from edge_fer.stages import Stopwatch

WARM_UP_FRAMES: Final = 10
WARM_UP_S: Final = 1.0
"""At least both: the first frames fill caches, start threads and wake the processor's clock."""
WAIT_S: Final = 1.0
BLOCKS: Final = 20
OWN_WORK: Final = ("detect", "classify")
"""The stages in which the networks run; the rest of the loop is what edge-fer adds."""


class FramePath(Protocol):
    """What the benchmark needs of a `Pipeline`."""

    watch: Stopwatch

    def process(self, frame: Frame) -> list[Reading]:
        """Take a frame all the way, and book its stages."""
        ...


@dataclass(frozen=True, slots=True)
class Bench:
    """The parts of a run.

    Attributes:
        pipeline: what the frames go through.
        capture: where they come from; stopped at the end.
        sink: where the readings go.
        timed: takes down when they got there.
        patience_s: without a frame for so long the camera is given up.
        clock_ns: monotonic nanoseconds, the same clock that stamps a live camera's frames.
        cpu_ns: processor time of this process, in nanoseconds.
        load: the processor's counters.
        heat: temperature and throttling.
    """

    pipeline: FramePath
    capture: Capture
    sink: Sink
    timed: TimedPost
    patience_s: float
    clock_ns: Callable[[], int] = time.monotonic_ns
    cpu_ns: Callable[[], int] = time.process_time_ns
    load: Callable[[], Load] = load_now
    heat: Callable[[], Heat] = heat_now


@dataclass(frozen=True, slots=True)
class Window:
    """What the loop took down; `Figures` says what the fields mean."""

    laps: Laps
    first_reading_ns: int | None
    readings: int
    dropped: int
    cpu: Cpu
    before: Heat
    after: Heat


def run_window(bench: Bench, *, seconds: float, after_warm_up: Callable[[Frame], None]) -> Window:
    """Warm up, then time every frame for so many seconds, or to the film's end.

    Args:
        bench: the parts.
        seconds: length of the window.
        after_warm_up: called with the last frame of the warm-up; may raise to end it all.

    Raises:
        CameraError: no frame comes, or too few.
    """
    watch = FrameWatch(bench.clock_ns, bench.cpu_ns)
    bench.pipeline.watch = watch
    loop = _Loop(bench, watch)
    try:
        began_ns, frames = bench.clock_ns(), 0
        while frames < WARM_UP_FRAMES or bench.clock_ns() - began_ns < WARM_UP_S * 1e9:
            frame = loop.turn()
            if frame is None:
                break
            frames += 1
        if frame is not None:
            after_warm_up(frame)
            before, load, dropped = bench.heat(), bench.load(), bench.capture.state.dropped
            loop.forget()
            while bench.clock_ns() - watch.began_ns < seconds * 1e9 and loop.turn() is not None:
                pass
        if not watch.ended_ns or frame is None:
            raise CameraError(
                f"{bench.capture.name}: {frames} frames are too few to measure; the warm-up alone takes "
                f"{WARM_UP_FRAMES} and {WARM_UP_S:g} s, so give a longer film or `--source clip`, which loops it"
            )
        return Window(
            laps=Laps(watch),
            first_reading_ns=loop.first_reading_ns,
            readings=loop.readings,
            dropped=bench.capture.state.dropped - dropped,
            cpu=load_between(load, bench.load()),
            before=before,
            after=bench.heat(),
        )
    finally:
        bench.capture.stop()


class _Loop:
    """The daemon's loop, turn by turn."""

    def __init__(self, bench: Bench, watch: FrameWatch) -> None:
        self._bench = bench
        self._watch = watch
        self.first_reading_ns: int | None = None
        self.readings = 0

    def forget(self) -> None:
        """The warm-up is over."""
        self._watch.forget()
        self._bench.timed.forget()
        self.readings = 0

    def turn(self) -> Frame | None:
        """One frame through the loop; None if the film is over.

        Raises:
            CameraError: no frame comes.
        """
        bench, watch = self._bench, self._watch
        watch.start()
        try:
            frame = self._next()
        except EndOfStream:
            return None
        watch.lap(WAITING)
        bench.timed.frame_arrived(round(frame.time_s * 1e9) if bench.capture.live else bench.clock_ns())
        readings = bench.pipeline.process(frame)
        bench.sink.publish(frame.time_s, readings)
        watch.lap("publish")
        watch.end_frame()
        bench.timed.frame_arrived(None)
        self.readings += len(readings)
        if readings and self.first_reading_ns is None:
            self.first_reading_ns = bench.clock_ns()
        return frame

    def _next(self) -> Frame:
        bench = self._bench
        deadline_ns = bench.clock_ns() + bench.patience_s * 1e9
        while (frame := bench.capture.next(WAIT_S)) is None:
            if bench.clock_ns() > deadline_ns:
                raise CameraError(f"{bench.capture.name}: gave no frame for {bench.patience_s:g} s")
        return frame


def figures(
    window: Window,
    bench: Bench,
    *,
    started_ns: int,
    latency: Latency,
    model: Card,
    detector: str,
    conditions: dict[str, str],
    machine: Callable[[], Machine] = describe,
) -> Figures:
    """All that was found, ready to be told.

    Args:
        window: what the loop took down.
        bench: its parts.
        started_ns: when the process was started, on the benchmark's clock.
        latency: from camera to MQTT.
        model: its card.
        detector: its name.
        conditions: what must be alike in two runs.
        machine: says what ran it.
    """
    laps = window.laps
    stages, work = laps.stages(), laps.work(live=bench.capture.live)
    own_ms = sum(stages[stage].mean_ms for stage in OWN_WORK if stage in stages)
    loop_ms = sum(spread.mean_ms for stage, spread in stages.items() if stage != WAITING)
    first_ns = window.first_reading_ns
    return Figures(
        fps=laps.frames / laps.seconds,
        time_to_first_reading_s=None if first_ns is None else (first_ns - started_ns) / 1e9,
        rss_mb=board.resident_mb(),
        peak_rss_mb=peak_resident_mb(),
        overhead=1 - own_ms / loop_ms,
        frames=laps.frames,
        seconds=laps.seconds,
        dropped=window.dropped,
        faces=window.readings / laps.frames,
        stages=stages,
        work=work,
        latency=latency,
        cpu=window.cpu,
        before=window.before,
        after=window.after,
        model={"name": model.name, "sha256": model.sha256},
        detector=detector,
        board=board.model_name(),
        machine=machine(),
        conditions=conditions,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        blocks=laps.blocks(BLOCKS),
    )
