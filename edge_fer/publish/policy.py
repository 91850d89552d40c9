"""When a reading is worth a message.

State goes out when it changes and as a heartbeat, single faces at a limited rate. What counts as a change of
state is a change of who is seen or of the emotion's label; a confidence that moves by itself does not count,
because a smoothed one moves with every frame and a recorder behind the broker stores every message.

Times are seconds on the time line of the frames. Where it begins anew, as with another camera, all is due at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from edge_fer.records import Reading


class Every:
    """Says True once per period, the first time at once."""

    def __init__(self, period_s: float) -> None:
        self.period_s = period_s
        self._due_s: float | None = None

    def __call__(self, time_s: float) -> bool:
        """Whether something is due now; if so, it is taken as done."""
        if self._due_s is None or not -2 * self.period_s < time_s - self._due_s < self.period_s:
            # The first time, a new time line, or a period was missed: no burst to catch up.
            self._due_s = time_s + self.period_s
            return True
        if time_s >= self._due_s:
            self._due_s += self.period_s  # by the schedule: the frames' grid must not slow the rate down
            return True
        return False


@dataclass(frozen=True, slots=True)
class Publication:
    """A reading to publish.

    Attributes:
        topic: below the device's own.
        reading: None stands for nobody.
        seq: number of the message on its topic, from 1.
    """

    topic: str
    reading: Reading | None
    seq: int


class PrimaryFace:
    """The one face that stands for the scene: the largest, kept until it goes or another is clearly larger."""

    def __init__(self, *, takeover: float = 1.5) -> None:
        """`takeover` is the ratio of areas from which a larger face takes over: two alike do not alternate."""
        self._takeover = takeover
        self._track: int | None = None

    def choose(self, readings: Sequence[Reading]) -> Reading | None:
        """The primary face's reading, None when there is no face."""
        largest = max(readings, key=_area, default=None)
        current = next((reading for reading in readings if reading.track == self._track), None)
        if largest is not None and current is not None and _area(largest) < self._takeover * _area(current):
            largest = current
        self._track = None if largest is None else largest.track
        return largest


class OnChange:
    """Says True when a state is to be published: on a change and as a heartbeat."""

    def __init__(self, *, heartbeat_s: float, rate_hz: float) -> None:
        """Changes too come at most `rate_hz` times a second; one that comes sooner waits, and may be undone."""
        self._published_s = -inf
        self._published: object = None
        self.retune(heartbeat_s=heartbeat_s, rate_hz=rate_hz)

    def retune(self, *, heartbeat_s: float, rate_hz: float) -> None:
        """Go on with other rates."""
        self._heartbeat_s = heartbeat_s
        self._spacing_s = 1 / rate_hz

    def hurry(self) -> None:
        """Publish with the next update, whatever was published before."""
        self._published_s = -inf

    def __call__(self, time_s: float, state: object) -> bool:
        """Whether this state is due now; if so, it is taken as published."""
        age_s = time_s - self._published_s if time_s >= self._published_s else inf
        if age_s < (self._heartbeat_s if state == self._published else self._spacing_s):
            return False
        self._published_s, self._published = time_s, state
        return True


class EmotionPolicy:
    """The `emotion` topic: the primary face, or nobody, on a change and as a heartbeat."""

    def __init__(self, *, heartbeat_s: float, rate_hz: float) -> None:
        """See `OnChange`."""
        self.due = OnChange(heartbeat_s=heartbeat_s, rate_hz=rate_hz)
        self._primary = PrimaryFace()
        self._seq = 0

    def update(self, time_s: float, readings: Sequence[Reading]) -> Publication | None:
        """What to publish now, if anything."""
        primary = self._primary.choose(readings)
        if not self.due(time_s, primary and (primary.track, primary.emotion)):
            return None
        self._seq += 1
        return Publication("emotion", primary, self._seq)


@dataclass(slots=True)
class _Pace:
    due: Every
    seq: int = 0


class FacesPolicy:
    """The `faces/<track>` topics: each face at most `rate_hz` times a second."""

    def __init__(self, *, rate_hz: float) -> None:
        self._paces: dict[int, _Pace] = {}
        self.retune(rate_hz=rate_hz)

    def retune(self, *, rate_hz: float) -> None:
        """Go on with another rate."""
        self._period_s = 1 / rate_hz
        for pace in self._paces.values():
            pace.due.period_s = self._period_s

    def update(self, time_s: float, readings: Sequence[Reading]) -> list[Publication]:
        """What to publish now; a track that is gone is forgotten."""
        self._paces = {
            reading.track: self._paces.get(reading.track) or _Pace(Every(self._period_s)) for reading in readings
        }
        publications = []
        for reading in readings:
            pace = self._paces[reading.track]
            if pace.due(time_s):
                pace.seq += 1
                publications.append(Publication(f"faces/{reading.track}", reading, pace.seq))
        return publications


def _area(reading: Reading) -> float:
    return reading.box[2] * reading.box[3]
