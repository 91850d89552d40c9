"""Clocks that the test moves on by hand."""

from dataclasses import dataclass


@dataclass
class Clock:
    """Stands for `time.monotonic`."""

    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class NanosecondClock:
    """Stands for `time.perf_counter_ns`."""

    now_ns: int = 0

    def __call__(self) -> int:
        return self.now_ns
