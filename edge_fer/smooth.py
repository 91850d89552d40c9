"""From scores that jump with every frame to emotions that stand.

Calibrated probabilities are averaged per track with a time constant in seconds, so the frame rate does not matter;
the emotion reported changes by hysteresis and dwell. A pure function of time and input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_fer.records import UNCERTAIN, Box, Emotion, Reading, Track


@dataclass(slots=True)
class _State:
    """What is remembered of one track; it ends with the track."""

    scores: tuple[float, ...]
    time_s: float
    emotion: str
    since_s: float
    candidate: str
    candidate_since_s: float


class Smoother:
    """Averages the scores of each track and decides which emotion to report.

    Args:
        labels: the model's labels, in the order of its scores.
        time_constant_s: of the exponential average: a step in the scores is 63 % there after so long.
        enter_confidence: smoothed probability from which on an emotion is reported.
        leave_confidence: smoothed probability below which it is given up.
        dwell_s: how long a change must last before it is reported.
    """

    def __init__(
        self,
        labels: Sequence[str],
        *,
        time_constant_s: float = 0.8,
        enter_confidence: float = 0.5,
        leave_confidence: float = 0.35,
        dwell_s: float = 0.3,
    ) -> None:
        self._labels = tuple(labels)
        self._time_constant_s = time_constant_s
        self._enter = enter_confidence
        self._leave = leave_confidence
        self._dwell_s = dwell_s
        self._states: dict[int, _State] = {}

    def update(
        self, time_s: float, tracks: Sequence[Track], emotions: Sequence[Emotion], frame_size: tuple[int, int]
    ) -> list[Reading]:
        """Take in one frame's scores.

        Args:
            time_s: the frame's time.
            tracks: the tracks alive; the state of any other track is forgotten.
            emotions: scores of the tracks that were classified in this frame.
            frame_size: height and width of the frame in pixels.

        Returns:
            a reading of every track that was ever classified, in the order of `tracks`.
        """
        scores = {emotion.track: emotion.scores for emotion in emotions}
        states: dict[int, _State] = {}
        for track in tracks:
            state = self._states.get(track.id)
            if track.id in scores:
                state = self._averaged(state, time_s, scores[track.id])
            if state is not None:
                self._decide(state, time_s)
                states[track.id] = state
        self._states = states
        return [self._reading(states[track.id], time_s, track, frame_size) for track in tracks if track.id in states]

    def _averaged(self, state: _State | None, time_s: float, scores: tuple[float, ...]) -> _State:
        if state is None:
            return _State(scores, time_s, UNCERTAIN, time_s, UNCERTAIN, time_s)
        weight = -math.expm1(-max(time_s - state.time_s, 0.0) / self._time_constant_s)
        state.scores = tuple(old + weight * (new - old) for old, new in zip(state.scores, scores, strict=True))
        state.time_s = time_s
        return state

    def _decide(self, state: _State, time_s: float) -> None:
        """Move the reported emotion towards what the averaged scores say, once they said it for long enough."""
        best = max(range(len(self._labels)), key=state.scores.__getitem__)
        if state.scores[best] >= self._enter:
            target = self._labels[best]
        elif state.emotion != UNCERTAIN and state.scores[self._labels.index(state.emotion)] >= self._leave:
            target = state.emotion
        else:
            target = UNCERTAIN
        if target != state.candidate:
            state.candidate, state.candidate_since_s = target, time_s
        if state.candidate != state.emotion and time_s - state.candidate_since_s >= self._dwell_s:
            state.emotion, state.since_s = state.candidate, time_s

    def _reading(self, state: _State, time_s: float, track: Track, frame_size: tuple[int, int]) -> Reading:
        scores = dict(zip(self._labels, state.scores, strict=True))
        return Reading(
            time_s=time_s,
            track=track.id,
            emotion=state.emotion,
            confidence=scores.get(state.emotion, max(state.scores)),
            scores=scores,
            box=_fractions(track.box, frame_size),
            for_s=time_s - state.since_s,
        )


def _fractions(box: Box, frame_size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The part of a box that lies in the frame, in fractions of the frame's width and height."""
    height, width = frame_size
    left, right = (min(max(x / width, 0.0), 1.0) for x in (box.x, box.x + box.w))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (box.y, box.y + box.h))
    return left, top, right - left, bottom - top
