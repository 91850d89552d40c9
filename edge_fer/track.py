"""Following faces from frame to frame, so that scores can be averaged per person.

Detections are matched to tracks greedily by overlap (intersection over union, the first stage of Bewley et al.:
Simple Online and Realtime Tracking, ICIP 2016), then, for faces that moved too fast to overlap, by the distance of
centres. A pure function of the frames' times and boxes.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge_fer.records import Box, Face, Frame, Track

REACH = 1.0
"""A face may move by so many of its own sizes between two frames and still be the same face."""


@dataclass(slots=True, eq=False)
class _Followed:
    box: Box
    began_s: float
    seen_s: float
    hits: int = 0
    id: int | None = None


class Tracker:
    """Gives faces ids that survive short misses.

    Args:
        min_iou: boxes that overlap at least so much are the same face.
        sure_score: a face that the detector is so sure of becomes a track at once.
        min_hits: another becomes one when it was found in so many frames without a miss; a hand that the detector
            takes for a face now and then never does.
        memory_s: a track whose face is missed lives on for so many seconds.
        ids: where the ids come from; trackers of one run share it, so that no id is given twice.
    """

    def __init__(
        self,
        *,
        min_iou: float = 0.3,
        sure_score: float = 0.9,
        min_hits: int = 3,
        memory_s: float = 0.7,
        ids: Iterator[int] | None = None,
    ) -> None:
        self._min_iou = min_iou
        self._sure_score = sure_score
        self._min_hits = min_hits
        self._memory_s = memory_s
        self._ids = ids or itertools.count(1)
        self._followed: list[_Followed] = []

    def update(self, frame: Frame, faces: Sequence[Face]) -> list[Track]:
        """Match a frame's faces to those followed, and begin to follow each that fits none.

        Returns:
            the tracks alive, oldest first; `seen` tells those of this frame from those only remembered.
        """
        now_s = frame.time_s
        for followed, face in self._match(faces, now_s):
            followed.box, followed.seen_s = face.box, now_s
            followed.hits += 1
            if followed.id is None and (face.score >= self._sure_score or followed.hits >= self._min_hits):
                followed.id = next(self._ids)
        self._followed = [followed for followed in self._followed if self._lives(followed, now_s)]
        return [
            Track(id=followed.id, box=followed.box, age_s=now_s - followed.began_s, seen=followed.seen_s == now_s)
            for followed in self._followed
            if followed.id is not None
        ]

    def _lives(self, followed: _Followed, now_s: float) -> bool:
        patience_s = 0.0 if followed.id is None else self._memory_s
        return now_s - followed.seen_s <= patience_s

    def _match(self, faces: Sequence[Face], now_s: float) -> list[tuple[_Followed, Face]]:
        """Every face found with the one that is followed, already or from now on."""
        pairs = [(i, j) for i in range(len(self._followed)) for j in range(len(faces))]
        overlaps = ((self._followed[i].box.iou(faces[j].box), i, j) for i, j in pairs)
        by_overlap = sorted((-iou, i, j) for iou, i, j in overlaps if iou >= self._min_iou and iou > 0)
        distances = ((_distance(self._followed[i].box, faces[j].box), i, j) for i, j in pairs)
        by_distance = sorted((distance, i, j) for distance, i, j in distances if distance <= REACH)
        owners: dict[int, int] = {}
        for _, i, j in (*by_overlap, *by_distance):
            if j not in owners and i not in owners.values():
                owners[j] = i
        for j, face in enumerate(faces):
            if j not in owners:
                owners[j] = len(self._followed)
                self._followed.append(_Followed(face.box, began_s=now_s, seen_s=now_s))
        return [(self._followed[i], faces[j]) for j, i in sorted(owners.items(), key=lambda pair: pair[1])]


def _distance(one: Box, other: Box) -> float:
    """Between two centres, in mean sizes of the boxes; infinite where the sizes differ too much for one face."""
    size, other_size = math.sqrt(one.area), math.sqrt(other.area)
    if not 0.5 <= size / max(other_size, 1e-9) <= 2:
        return math.inf
    return math.dist(one.centre, other.centre) / ((size + other_size) / 2)
