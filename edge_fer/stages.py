"""How long each step of the loop takes: a stopwatch with a bounded memory."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

STAGES: Final = ("capture", "detect", "track", "crop", "classify", "smooth", "publish")
"""In the order of a frame's way; a frame in which no face is judged has neither `crop` nor `classify`."""

REMEMBERED: Final = 1024
"""Frames kept per stage; older ones make room."""

BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Upper bounds of the histograms' buckets, in seconds: from a laptop's tracker to a slow board's detector."""
_BUCKETS_NS: Final = tuple(round(bound * 1e9) for bound in BUCKETS_S)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Duration of a stage over the remembered frames, in milliseconds."""

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations of a stage over all frames.

    Attributes:
        counts: frames in each bucket of `BUCKETS_S`, and at last those beyond.
        sum_s: all durations together, in seconds.
    """

    counts: tuple[int, ...]
    sum_s: float


class Stopwatch:
    """Times the stages of a frame one after the other; several laps of one stage in one frame are added up.

    Args:
        clock_ns: monotonic nanoseconds.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.clock_ns = clock_ns
        self._last_ns = clock_ns()
        self._laps_ns: dict[str, deque[int]] = {}
        self._counts: dict[str, list[int]] = {}
        self._in_frame: set[str] = set()
        self.total_ns: dict[str, int] = {}

    def start(self) -> None:
        """Begin with a frame now; the time since the last lap belongs to no stage."""
        self._in_frame.clear()
        self._last_ns = self.clock_ns()

    def lap(self, stage: str) -> None:
        """Book the time since the last call under a stage."""
        now_ns = self.clock_ns()
        spent_ns = now_ns - self._last_ns
        self._last_ns = now_ns
        if stage not in self._laps_ns:
            self._laps_ns[stage] = deque(maxlen=REMEMBERED)
            self._counts[stage] = [0] * (len(BUCKETS_S) + 1)
            self.total_ns[stage] = 0
        self.total_ns[stage] += spent_ns
        laps_ns, counts = self._laps_ns[stage], self._counts[stage]
        if stage in self._in_frame:
            before_ns = laps_ns.pop()
            counts[bisect_left(_BUCKETS_NS, before_ns)] -= 1
            spent_ns += before_ns
        self._in_frame.add(stage)
        laps_ns.append(spent_ns)
        counts[bisect_left(_BUCKETS_NS, spent_ns)] += 1

    def histograms(self) -> dict[str, Histogram]:
        """Of every stage that ran, since the beginning."""
        return {stage: Histogram(tuple(counts), self.total_ns[stage] / 1e9) for stage, counts in self._counts.items()}

    def percentiles(self) -> dict[str, Percentiles]:
        """Of every stage that ran, in the order of `STAGES`; others come last."""
        return {
            stage: Percentiles(*(np.percentile(self._laps_ns[stage], (50, 90, 95, 99)) / 1e6).tolist())
            for stage in in_order(self._laps_ns)
        }


def in_order(stages: Iterable[str]) -> list[str]:
    """These stages in the order of `STAGES`; others come last."""
    return sorted(stages, key=lambda stage: STAGES.index(stage) if stage in STAGES else len(STAGES))
