"""A frame's time and what may still be done in it: many faces must not cost the frame rate."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

NEWEST: Final = 0.2
"""Weight of the newest measurement in a running mean of costs."""

T = TypeVar("T")


class Budget:
    """Hands out a frame's time piece by piece, by what such pieces cost before.

    Args:
        target_fps: frames per second that shall be kept up.
        clock: monotonic seconds.
    """

    def __init__(self, target_fps: float, clock: Callable[[], float]) -> None:
        self._frame_s = 1 / target_fps
        self._clock = clock
        self._began_s = clock()
        self._costs_s: dict[str, float] = {}

    def begin(self) -> None:
        """A new frame begins now."""
        self._began_s = self._clock()

    def cost_s(self, kind: str) -> float:
        """What a piece of work of this kind takes, by experience; 0 before the first."""
        return self._costs_s.get(kind, 0.0)

    def affordable(self, kind: str, pieces: Iterable[T], *, share: float = 1.0) -> Iterator[T]:
        """The pieces of work that fit into the frame's time, always at least the first, so that nothing starves.

        Each is timed from when it is handed out to when the next is asked for.

        Args:
            kind: of work; each has its own cost.
            pieces: what waits to be done, the most urgent first.
            share: of the frame's time that must not be exceeded.
        """
        deadline_s = self._began_s + share * self._frame_s
        now_s = self._clock()
        for number, piece in enumerate(pieces):
            if number and now_s + self.cost_s(kind) > deadline_s:
                return
            yield piece
            began_s, now_s = now_s, self._clock()
            self._learn(kind, now_s - began_s)

    def _learn(self, kind: str, spent_s: float) -> None:
        known_s = self._costs_s.setdefault(kind, spent_s)
        self._costs_s[kind] = known_s + NEWEST * (spent_s - known_s)
