"""What signals, and other threads, may ask of the daemon's loop."""

import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from edge_fer.publish.reports import DeviceState


class Wish(Enum):
    """What can be asked for."""

    PAUSE = auto()
    """Release the camera and look at nobody, until RESUME."""
    RESUME = auto()
    """Take the camera again."""
    RELOAD = auto()
    """Take over what changed in the configuration."""
    STOP = auto()
    """End the daemon."""


Answer: TypeAlias = Callable[[DeviceState, str | None], None]
"""Takes how the device is now, and why a request could not be fulfilled, None if it was."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A wish whose asker waits for an answer.

    Attributes:
        command: `pause`, `resume`, `status`, `publish` or `set`.
        values: of `set`: `heartbeat_s`, `rate_hz`, `health_s`, checked.
        answer: called by the loop, once.
    """

    command: str
    values: Mapping[str, float]
    answer: Answer


class Control:
    """Wishes on their way to the loop, which fulfils them in order at its next turn.

    Attributes:
        paused: whether the loop has released the camera on request; set by the loop alone.
    """

    def __init__(self) -> None:
        self.paused = False
        # The one queue of the standard library that a signal handler may put into: it cannot deadlock with itself.
        self._wishes: queue.SimpleQueue[Wish | Request] = queue.SimpleQueue()

    def ask(self, wish: Wish | Request) -> None:
        """Ask for something; from any thread or signal handler, never blocks."""
        self._wishes.put(wish)

    def next_wish(self, timeout_s: float = 0.0) -> Wish | Request | None:
        """The oldest wish, waiting at most so long for one; None if there is none."""
        try:
            return self._wishes.get(block=timeout_s > 0, timeout=timeout_s or None)
        except queue.Empty:
            return None
