"""When to search the whole picture, which faces to find again, and which to judge.

The detector dominates a frame's cost, so the whole picture is searched for newcomers now and then only, and in between
each known face is found again where it is expected. While nobody is there the search rests until something moves.
A pure function of the frames' times and what was seen.
"""

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Final

from edge_fer.config import PaceConfig
from edge_fer.records import Track
from edge_fer.track import Followed

ALERT_HZ: Final = 5.0
"""Searches per second when something began to move, or a face was missed: who walks in is found in 0.2 s."""

ALERT_S: Final = 2.0
"""Whatever moves for longer without showing a face, such as a tree, is searched at the usual rate."""

CALM_S: Final = 2.0
"""Nothing must have moved for so long before the search rests."""

MOST_OF_THE_TIME: Final = 0.5
"""Where a search takes longer than a frame, searches take at most this share of the time: others must be followed."""

TOLERANCE: Final = 0.25
"""Something is due when it would be so many frames from now: frames come on a grid, and jitter."""

REFRESH: Final = 0.6
"""A face that was just found is judged from this share of the period on, rather than later with an older box."""


class Cadence:
    """Says what is due with each frame.

    Args:
        pace: the rates.
    """

    def __init__(self, pace: PaceConfig) -> None:
        self._pace = pace
        self._ease = 1.0
        self.forget()

    def forget(self) -> None:
        """Begin anew, as with another film: wide awake."""
        self._now_s = -inf
        self._tolerance_s = 0.0
        self._searched_s = -inf
        self._stirred_s = -inf
        self._stir_began_s = -inf
        self._judged_s: dict[int, float] = {}

    def ease(self, factor: float) -> None:
        """Make every period so many times as long; 1 is the usual pace."""
        self._ease = factor

    def begin(self, now_s: float) -> None:
        """A frame of this time comes."""
        if not self._now_s <= now_s < inf:
            self.forget()
        if self._now_s == -inf:
            self._stirred_s = self._stir_began_s = now_s
        else:
            self._tolerance_s = TOLERANCE * min(now_s - self._now_s, 1.0)
        self._now_s = now_s

    def search_due(self, followed: Sequence[Followed], moved: Callable[[], bool], *, cost_s: float) -> bool:
        """Whether to search the whole picture.

        Args:
            followed: the faces that are known.
            moved: whether something moves in this frame; asked only where it matters.
            cost_s: what a search takes here.
        """
        rate_hz = self._search_hz(followed, moved)
        period_s = self._ease / rate_hz
        if cost_s > 1 / self._pace.target_fps:
            period_s = max(period_s, cost_s / MOST_OF_THE_TIME)
        return self._now_s - self._searched_s >= period_s - self._tolerance_s

    def searched(self) -> None:
        """Take note that the whole picture was searched in this frame."""
        self._searched_s = self._now_s

    def to_follow(self, followed: Iterable[Followed]) -> list[Followed]:
        """The known faces to look for again, the longest unseen first; one that was missed in every frame."""
        period_s = self._ease / self._pace.follow_hz - self._tolerance_s
        known = (one for one in followed if one.id is not None)
        due = [one for one in known if one.missed or self._now_s - one.looked_s >= period_s]
        return sorted(due, key=lambda one: one.looked_s)

    def to_judge(self, tracks: Iterable[Track], fresh: Iterable[int | None]) -> list[Track]:
        """The tracks to judge, the most urgent first: new ones, then those judged longest ago.

        Args:
            tracks: those alive.
            fresh: ids of those whose face was found again in this frame.
        """
        now_s, judged_s, found = self._now_s, self._judged_s, set(fresh)
        period_s = self._ease / self._pace.follow_hz

        def due(track: Track) -> bool:
            patience = REFRESH if track.id in found else 2 - REFRESH
            return now_s - judged_s.get(track.id, -inf) >= patience * period_s - self._tolerance_s

        waiting = [track for track in tracks if track.seen and due(track)]
        return sorted(waiting, key=lambda track: judged_s.get(track.id, -inf))

    def judged(self, tracks: Iterable[Track], judged: Iterable[int]) -> None:
        """Take note of which tracks were judged in this frame; tracks that are no more are forgotten."""
        times_s = self._judged_s | dict.fromkeys(judged, self._now_s)
        self._judged_s = {track.id: times_s[track.id] for track in tracks if track.id in times_s}

    def _search_hz(self, followed: Sequence[Followed], moved: Callable[[], bool]) -> float:
        pace, now_s = self._pace, self._now_s
        alert_hz = max(ALERT_HZ, pace.search_hz)
        if followed:
            self._stirred_s = self._stir_began_s = now_s
            if any(one.id is None for one in followed):
                return inf  # the next frames show whether it is a face
            return alert_hz if any(one.missed for one in followed) else pace.search_hz
        if pace.idle_hz >= pace.search_hz:
            return pace.search_hz
        if moved():
            if now_s - self._stirred_s > CALM_S:
                self._stir_began_s = now_s
            self._stirred_s = now_s
        if now_s - self._stirred_s > CALM_S:
            return pace.idle_hz
        return alert_hz if now_s - self._stir_began_s <= ALERT_S else pace.search_hz
