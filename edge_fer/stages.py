"""How long each step of the loop takes: a stopwatch with a bounded memory."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

REMEMBERED: Final = 1024
"""Laps kept per stage; older ones make room."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Duration of a stage over the remembered frames, in milliseconds."""

    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float


class Stopwatch:
    """Times the stages of a frame one after the other.

    Args:
        clock_ns: monotonic nanoseconds.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock_ns = clock_ns
        self._last_ns = clock_ns()
        self._laps_ns: dict[str, deque[int]] = {}
        self.total_ns: dict[str, int] = {}

    def start(self) -> None:
        """Begin with the next stage now; the time since the last lap belongs to no stage."""
        self._last_ns = self._clock_ns()

    def lap(self, stage: str) -> None:
        """Book the time since the last call under a stage."""
        now_ns = self._clock_ns()
        spent_ns = now_ns - self._last_ns
        self._last_ns = now_ns
        if stage not in self._laps_ns:
            self._laps_ns[stage] = deque(maxlen=REMEMBERED)
            self.total_ns[stage] = 0
        self._laps_ns[stage].append(spent_ns)
        self.total_ns[stage] += spent_ns

    def percentiles(self) -> dict[str, Percentiles]:
        """Of every stage that ran, in the order in which they first ran."""
        return {
            stage: Percentiles(*(np.percentile(laps, (50, 90, 95, 99)) / 1e6).tolist())
            for stage, laps in self._laps_ns.items()
        }
