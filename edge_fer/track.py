"""Following faces from frame to frame, so that scores can be averaged per person.

Detections are matched to tracks greedily by overlap (intersection over union, the first stage of Bewley et al.:
Simple Online and Realtime Tracking, ICIP 2016), then, for faces that moved too fast to overlap, by the distance of
centres. A pure function of the frames' times and boxes.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from edge_fer.records import Box, Face, Frame, Track

REACH = 1.0
"""A face may move by so many of its own sizes between two frames and still be the same face."""


@dataclass(slots=True)
class _Followed:
    box: Box
    began_s: float
    seen_s: float


class Tracker:
    """Gives faces ids that survive short misses.

    Args:
        min_iou: boxes that overlap at least so much are the same face.
        memory_s: a face that is missed keeps its track for so many seconds.
    """

    def __init__(self, *, min_iou: float = 0.3, memory_s: float = 0.7) -> None:
        self._min_iou = min_iou
        self._memory_s = memory_s
        self._ids = itertools.count(1)
        self._tracks: dict[int, _Followed] = {}

    def update(self, frame: Frame, faces: Sequence[Face]) -> list[Track]:
        """Match a frame's faces to the tracks and begin a track for each face that fits none.

        Returns:
            the tracks alive, oldest first; `seen` tells those of this frame from those only remembered.
        """
        now_s = frame.time_s
        found = self._match([face.box for face in faces])
        for track, box in found.items():
            followed = self._tracks.get(track)
            if followed is None:
                self._tracks[track] = _Followed(box, began_s=now_s, seen_s=now_s)
            else:
                followed.box, followed.seen_s = box, now_s
        self._tracks = {
            track: followed for track, followed in self._tracks.items() if now_s - followed.seen_s <= self._memory_s
        }
        return [
            Track(id=track, box=followed.box, age_s=now_s - followed.began_s, seen=track in found)
            for track, followed in self._tracks.items()
        ]

    def _match(self, boxes: list[Box]) -> dict[int, Box]:
        """Every box under the id of its track, an old one or a new."""
        overlaps = ((followed.box.iou(box), track, i) for track, followed, i, box in self._pairs(boxes))
        by_overlap = [(-iou, track, i) for iou, track, i in overlaps if iou >= self._min_iou and iou > 0]
        distances = ((_distance(followed.box, box), track, i) for track, followed, i, box in self._pairs(boxes))
        by_distance = [(distance, track, i) for distance, track, i in distances if distance <= REACH]
        found: dict[int, Box] = {}
        taken: set[int] = set()
        for _, track, i in [*sorted(by_overlap), *sorted(by_distance)]:
            if track not in found and i not in taken:
                found[track] = boxes[i]
                taken.add(i)
        for i, box in enumerate(boxes):
            if i not in taken:
                found[next(self._ids)] = box
        return found

    def _pairs(self, boxes: list[Box]) -> list[tuple[int, _Followed, int, Box]]:
        return [(track, old, i, box) for track, old in self._tracks.items() for i, box in enumerate(boxes)]


def _distance(one: Box, other: Box) -> float:
    """Between two centres, in mean sizes of the boxes; infinite where the sizes differ too much for one face."""
    size, other_size = math.sqrt(one.area), math.sqrt(other.area)
    if not 0.5 <= size / max(other_size, 1e-9) <= 2:
        return math.inf
    return math.dist(one.centre, other.centre) / ((size + other_size) / 2)
