"""Relief for a board that is too hot: fewer looks, before the board slows itself down and the frame rate collapses."""

import logging
from collections.abc import Callable
from math import inf
from typing import Final, Protocol

from edge_fer.board import Strain, strain
from edge_fer.publish.policy import Every

LOOK_EVERY_S: Final = 5.0

MARGIN_C: Final = 3.0
"""So far below the temperature at which the board slows itself down, it is spared."""

CALM_C: Final = 8.0
"""It must cool down to so far below before the usual pace is tried again: else it would swing."""

CALM_S: Final = 30.0
"""For so long it must have been well."""

WORSE_S: Final = 30.0
"""If sparing it does not help within so many seconds, it is spared more."""

FACTORS: Final = (1.0, 2.0, 4.0)
"""Every pause between two looks is so many times as long, step by step."""

_log = logging.getLogger(__name__)


class Eased(Protocol):
    """What can be told to look less often: a pipeline."""

    def ease(self, factor: float) -> None:
        """Make every pause so many times as long."""


class Cooling:
    """Looks after the board every few seconds.

    Args:
        look: tells how the board is.
    """

    def __init__(self, look: Callable[[], Strain] = strain) -> None:
        self._look = look
        self._due = Every(LOOK_EVERY_S)
        self._step = 0
        self._told: Eased | None = None
        self._since_s = 0.0
        self._stepped_s = 0.0
        self._strained_s = 0.0
        self.strain: Strain | None = None
        """What was seen last."""

    def turn(self, now_s: float, pipeline: Eased) -> None:
        """Take note of the time, and tell the pipeline, which may have been exchanged, what it needs to know."""
        before = self._step
        if self._due(now_s):
            self.strain = self._look()
            self._judge(now_s, self.strain)
        if self._step != before or (self._told is not pipeline and self._step):
            pipeline.ease(FACTORS[self._step])
        self._told = pipeline

    def _judge(self, now_s: float, seen: Strain) -> None:
        distance_c = inf if seen.temperature_c is None or seen.limit_c is None else seen.limit_c - seen.temperature_c
        if seen.throttled or distance_c < MARGIN_C:
            self._strained_s = now_s
            if self._step == 0:
                self._since_s = self._stepped_s = now_s
                self._step = 1
                _log.warning("%s: faces are looked for less often until it is well", _describe(seen))
            elif now_s - self._stepped_s >= WORSE_S and self._step < len(FACTORS) - 1:
                self._stepped_s = now_s
                self._step += 1
        elif self._step and distance_c >= CALM_C and now_s - self._strained_s >= CALM_S:
            self._step = 0
            _log.info("The board is well again after %.0f s: faces are looked for as usual", now_s - self._since_s)


def _describe(seen: Strain) -> str:
    if seen.under_voltage:
        return "The board's power supply is too weak"
    warm = "" if seen.temperature_c is None else f" ({seen.temperature_c:.0f} °C)"
    return f"The board is {'slowed down' if seen.throttled else 'close to being slowed down'} by heat{warm}"
