"""How long each step of the loop takes: a stopwatch with a bounded memory."""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

REMEMBERED: Final = 1024
"""Laps kept per stage; older ones make room."""

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
    """Times the stages of a frame one after the other.

    Args:
        clock_ns: monotonic nanoseconds.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self.clock_ns = clock_ns
        self._last_ns = clock_ns()
        self._laps_ns: dict[str, deque[int]] = {}
        self._counts: dict[str, list[int]] = {}
        self.total_ns: dict[str, int] = {}

    def start(self) -> None:
        """Begin with the next stage now; the time since the last lap belongs to no stage."""
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
        self._laps_ns[stage].append(spent_ns)
        self._counts[stage][bisect_left(_BUCKETS_NS, spent_ns)] += 1
        self.total_ns[stage] += spent_ns

    def histograms(self) -> dict[str, Histogram]:
        """Of every stage that ran, since the beginning."""
        return {stage: Histogram(tuple(counts), self.total_ns[stage] / 1e9) for stage, counts in self._counts.items()}

    def percentiles(self) -> dict[str, Percentiles]:
        """Of every stage that ran, in the order in which they first ran."""
        return {
            stage: Percentiles(*(np.percentile(laps, (50, 90, 95, 99)) / 1e6).tolist())
            for stage, laps in self._laps_ns.items()
        }
