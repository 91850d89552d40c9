"""The last minutes of every face, kept by the daemon so that whoever comes, or comes back, sees them: scores alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from edge_fer.records import Reading

SPAN_S: Final = 180.0
STEP_S: Final = 0.5
"""Between two samples; 360 of them are what the memory holds."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Who was there at one moment of the feed's clock."""

    at_s: float
    readings: tuple[Reading, ...]


class History:
    """Samples of the last `SPAN_S`: `add` is for the inference loop, `as_json` for the page's thread."""

    def __init__(self) -> None:
        self._samples: tuple[Sample, ...] = ()  # exchanged as a whole, so that no lock is needed
        self._due_s = float("-inf")

    def add(self, now_s: float, readings: Sequence[Reading]) -> None:
        """Take these readings as a sample, if it is time for one and somebody is there."""
        if now_s < self._due_s or not readings:
            return
        self._due_s = now_s + STEP_S
        recent = (sample for sample in self._samples if sample.at_s > now_s - SPAN_S)
        self._samples = (*recent, Sample(now_s, tuple(readings)))

    def as_json(self, now_s: float) -> list[dict[str, Any]]:
        """Each face, oldest first, with the ages of its samples and its scores, a list per label."""
        faces: dict[int, dict[str, Any]] = {}
        for sample in self._samples:
            if sample.at_s <= now_s - SPAN_S:
                continue
            for reading in sample.readings:
                fresh = {"track": reading.track, "age_s": [], "scores": {label: [] for label in reading.scores}}
                face = faces.setdefault(reading.track, fresh)
                face["age_s"].append(round(now_s - sample.at_s, 2))
                for label, score in reading.scores.items():
                    face["scores"][label].append(round(score, 3))
        return list(faces.values())
