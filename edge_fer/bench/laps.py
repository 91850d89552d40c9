"""What every single frame took, stage by stage; the daemon's own stopwatch remembers only the latest."""

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.stages import Stopwatch, in_order

WAITING: Final = "capture"
"""The stage in which a loop with a live camera waits; no work of ours, unless a film is decoded in it."""
_NOT_RUN: Final = -1


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of many frames, in milliseconds.

    Percentiles interpolate linearly between neighbours, as NumPy does (Hyndman & Fan 1996, type 7). They are of the
    frames in which the stage ran; `mean_ms` is per frame, so that a stage that runs seldom weighs little.
    """

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float

    @classmethod
    def of(cls, durations_ns: NDArray[np.int64], *, frames: int) -> "Spread":
        """Of durations, at least one, that fell into so many frames."""
        p50, p90, p95, p99 = (np.percentile(durations_ns, (50, 90, 95, 99)) / 1e6).tolist()
        return cls(p50, p90, p95, p99, float(durations_ns.sum()) / frames / 1e6)


class FrameWatch(Stopwatch):
    """A stopwatch that also keeps every frame: eight bytes per stage.

    Args:
        clock_ns: monotonic nanoseconds.
        cpu_ns: processor time of this process, in nanoseconds.
    """

    def __init__(
        self, clock_ns: Callable[[], int] = time.monotonic_ns, cpu_ns: Callable[[], int] = time.process_time_ns
    ) -> None:
        super().__init__(clock_ns)
        self._now_ns, self._cpu_ns = clock_ns, cpu_ns
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after a warm-up."""
        self.began_ns, self.began_cpu_ns = self._now_ns(), self._cpu_ns()
        self.ended_ns, self.ended_cpu_ns = array("q"), array("q")
        self.stages: dict[str, array[int]] = {}
        self._frame: dict[str, int] = {}

    def lap(self, stage: str) -> None:
        """See `Stopwatch.lap`."""
        before_ns = self.total_ns.get(stage, 0)
        super().lap(stage)
        self._frame[stage] = self._frame.get(stage, 0) + self.total_ns[stage] - before_ns

    def end_frame(self) -> None:
        """The frame is done."""
        for stage in self._frame.keys() - self.stages.keys():
            self.stages[stage] = array("q", [_NOT_RUN]) * len(self.ended_ns)
        for stage, spent_ns in self.stages.items():
            spent_ns.append(self._frame.get(stage, _NOT_RUN))
        self.ended_ns.append(self._now_ns())
        self.ended_cpu_ns.append(self._cpu_ns())
        self._frame = {}


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the window, of equal length in time.

    Attributes:
        fps: frames per second.
        cpu_ms: processor time of this process per frame, all threads; other work on the machine bears on it least.
        mean_ms: by stage, its time per frame.
    """

    fps: float
    cpu_ms: float
    mean_ms: dict[str, float]


class Laps:
    """All frames of a window.

    Args:
        watch: with one frame at least; the window began when it was told to forget.
    """

    def __init__(self, watch: FrameWatch) -> None:
        self.frames = len(watch.ended_ns)
        self._began_ns = watch.began_ns
        self._cpu_ns = np.diff(np.array(watch.ended_cpu_ns, np.int64), prepend=watch.began_cpu_ns)
        self._ended_ns = np.array(watch.ended_ns, np.int64)
        self._spent_ns = {stage: np.array(watch.stages[stage], np.int64) for stage in in_order(watch.stages)}

    @property
    def seconds(self) -> float:
        """Length of the window: to the end of its last frame."""
        return float(self._ended_ns[-1] - self._began_ns) / 1e9

    def stages(self) -> dict[str, Spread]:
        """Of every stage that ran, in the order of a frame's way."""
        return {
            stage: Spread.of(spent_ns[spent_ns != _NOT_RUN], frames=self.frames)
            for stage, spent_ns in self._spent_ns.items()
        }

    def work(self, *, live: bool) -> Spread:
        """All stages of a frame together; with a live camera without the waiting for it."""
        total_ns = np.zeros(self.frames, np.int64)
        for stage, spent_ns in self._spent_ns.items():
            if not (live and stage == WAITING):
                total_ns += spent_ns.clip(0)
        return Spread.of(total_ns, frames=self.frames)

    def blocks(self, count: int) -> tuple[Block, ...]:
        """The window cut into so many parts; those without a frame are left out."""
        length_ns = float(self._ended_ns[-1] - self._began_ns) / count
        numbers = np.minimum((self._ended_ns - self._began_ns - 1) // max(length_ns, 1), count - 1)
        blocks = []
        for number in range(count):
            inside = numbers == number
            frames = int(inside.sum())
            if frames:
                means_ms = {
                    stage: float(spent_ns[inside].clip(0).sum()) / frames / 1e6
                    for stage, spent_ns in self._spent_ns.items()
                }
                cpu_ms = float(self._cpu_ns[inside].sum()) / frames / 1e6
                blocks.append(Block(frames / length_ns * 1e9, cpu_ms, means_ms))
        return tuple(blocks)
