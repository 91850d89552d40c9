"""Readings for a person at a terminal."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TextIO

from edge_fer.publish.policy import EmotionPolicy
from edge_fer.publish.sinks import ReadingsOnly
from edge_fer.records import UNCERTAIN, Reading

REPEAT_S: Final = 2.0
BAR_WIDTH: Final = 20


class ConsoleSink(ReadingsOnly):
    """A line on every change of the most prominent face, and every two seconds without one.

    Args:
        stream: where to print.
        local_time: the time of day to print.
    """

    def __init__(self, stream: TextIO, *, local_time: Callable[[], str] = lambda: time.strftime("%H:%M:%S")) -> None:
        self._stream = stream
        self._local_time = local_time
        self._policy = EmotionPolicy(heartbeat_s=REPEAT_S, rate_hz=2.0)
        self._empty = False

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        """Print what is due."""
        due = self._policy.update(time_s, readings)
        if due is not None and not (due.reading is None and self._empty):
            self._empty = due.reading is None
            text = "nobody in view" if due.reading is None else _line(due.reading)
            print(f"{self._local_time()}  {text}", file=self._stream, flush=True)


def _line(reading: Reading) -> str:
    bar = "#" * round(BAR_WIDTH * reading.confidence)
    text = f"face {reading.track}  {reading.emotion:9} {reading.confidence:4.0%} {bar}"
    if reading.emotion == UNCERTAIN:
        text += f"  perhaps {max(reading.scores, key=reading.scores.__getitem__)}"
    return text
