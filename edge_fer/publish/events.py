"""What happened to a face: it appeared, its emotion changed, it left.

State says how things are and may skip what came between; events are a sequence in which every one counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from edge_fer.records import Reading


class Kind(Enum):
    """What happened."""

    APPEAR = "appear"
    CHANGE = "change"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Spell:
    """For how long a face showed one emotion, and how sure the model was of it at the best moment."""

    emotion: str
    for_s: float
    peak_confidence: float


@dataclass(frozen=True, slots=True)
class FaceEvent:
    """One event in a face's visit.

    Attributes:
        seq: counts the events of all faces, from 1.
        kind: what happened.
        track: the face.
        before: the emotion that ended; None when the face appears.
        after: the reading in which the event was seen; None when the face leaves.
        visible_s: for how long the face has been seen.
        summary: seconds that each emotion was shown, when the face leaves; they sum to `visible_s`.
    """

    seq: int
    kind: Kind
    track: int
    before: Spell | None
    after: Reading | None
    visible_s: float
    summary: Mapping[str, float] | None


@dataclass(slots=True)
class _Visit:
    """A face in view. Durations are added up from frame to frame, so that a jump of the time line adds nothing."""

    last: Reading
    told: str
    """The emotion that the last event spoke of."""
    told_for_s: float = 0.0
    peak_confidence: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    def see(self, reading: Reading, elapsed_s: float) -> None:
        self.seconds[self.last.emotion] = self.seconds.get(self.last.emotion, 0.0) + elapsed_s
        self.told_for_s += elapsed_s
        self.last = reading
        if reading.emotion == self.told:
            self.peak_confidence = max(self.peak_confidence, reading.confidence)

    def end_spell(self) -> Spell:
        """What was told, ended; the last reading's emotion begins."""
        spell = Spell(self.told, self.told_for_s, self.peak_confidence)
        self.told, self.told_for_s, self.peak_confidence = self.last.emotion, 0.0, self.last.confidence
        return spell


class EventPolicy:
    """Finds the events in the readings of frame after frame."""

    def __init__(self, *, rate_hz: float) -> None:
        """Each face changes at most `rate_hz` times a second; a change that comes sooner waits, and may be undone."""
        self.spacing_s = 1 / rate_hz
        self._visits: dict[int, _Visit] = {}
        self._time_s: float | None = None
        self._seq = 0

    def update(self, time_s: float, readings: Sequence[Reading]) -> list[FaceEvent]:
        """What happened since the frame before: who left first, then who came or changed."""
        elapsed_s = 0.0 if self._time_s is None else max(0.0, time_s - self._time_s)
        self._time_s = time_s
        present = {reading.track for reading in readings}
        events = [self._leave(track) for track in list(self._visits) if track not in present]
        for reading in readings:
            visit = self._visits.get(reading.track)
            if visit is None:
                events.append(self._appear(reading))
                continue
            visit.see(reading, elapsed_s)
            if reading.emotion != visit.told and visit.told_for_s >= self.spacing_s:
                events.append(self._event(Kind.CHANGE, visit, before=visit.end_spell(), after=reading))
        return events

    def _appear(self, reading: Reading) -> FaceEvent:
        visit = _Visit(reading, told=reading.emotion, peak_confidence=reading.confidence)
        self._visits[reading.track] = visit
        return self._event(Kind.APPEAR, visit, after=reading)

    def _leave(self, track: int) -> FaceEvent:
        visit = self._visits.pop(track)
        return self._event(Kind.LEAVE, visit, before=visit.end_spell(), summary=visit.seconds)

    def _event(
        self,
        kind: Kind,
        visit: _Visit,
        *,
        before: Spell | None = None,
        after: Reading | None = None,
        summary: Mapping[str, float] | None = None,
    ) -> FaceEvent:
        self._seq += 1
        visible_s = sum(visit.seconds.values())
        return FaceEvent(self._seq, kind, visit.last.track, before, after, visible_s, summary)
