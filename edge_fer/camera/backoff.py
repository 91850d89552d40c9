"""How long to wait before the next attempt."""

import random
from collections.abc import Callable


class Backoff:
    """Delays that double from `first_s` up to `longest_s`, each shortened by up to half at random.

    The chance keeps a house full of cameras from storming the recorder that has just come back.

    Args:
        first_s: the first delay in seconds, before chance.
        longest_s: no delay is longer.
        jitter: gives numbers from 0 to 1.
    """

    def __init__(
        self, *, first_s: float = 1.0, longest_s: float = 30.0, jitter: Callable[[], float] = random.random
    ) -> None:
        self.longest_s = longest_s
        self._first_s = first_s
        self._jitter = jitter
        self._delay_s = first_s

    def next_s(self) -> float:
        """The next delay in seconds."""
        delay_s = self._delay_s
        self._delay_s = min(2 * delay_s, self.longest_s)
        return delay_s * (1 - self._jitter() / 2)

    def reset(self) -> None:
        """Begin with the first delay again."""
        self._delay_s = self._first_s
