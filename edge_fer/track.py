"""Following faces from frame to frame, so that scores can be averaged per person.

Detections are matched to tracks greedily by overlap (intersection over union, the first stage of Bewley et al.:
Simple Online and Realtime Tracking, ICIP 2016), then, for faces that moved too fast to overlap, by the distance of
centres. Between two looks a face is expected to move on as it did. A pure function of the frames' times and boxes.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from edge_fer.records import Box, Face, Frame, Point, Track

REACH = 1.0
"""A face may move by so many of its own sizes between two looks and still be the same face."""

NEAR_REACH = 0.5
"""Likewise where only its surroundings were searched: what lies farther off is cut by their border."""

FORESIGHT_S = 0.25
"""A face is expected to move on for so long after it was last found; people turn back."""

NEWEST = 0.5
"""Weight of the newest motion in a face's velocity: boxes tremble."""


@dataclass(slots=True, eq=False)
class Followed:
    """A face, or what may turn out to be none, as far as it is known; all times are those of frames.

    Attributes:
        box: where it was last found, in pixels of the frame.
        began_s: when it was first found.
        placed_s: when `box` was seen, maybe less than surely.
        found_s: when it was last found surely.
        looked_s: when it was last looked for.
        velocity: of its centre, in pixels per second.
        roll_deg: the tilt of its head when it was last placed, see `edge_fer.records.Face`.
        hits: how often it was found.
        id: of its track; None until it is sure to be a face.
    """

    box: Box
    began_s: float
    placed_s: float
    found_s: float
    looked_s: float
    velocity: Point = (0.0, 0.0)
    roll_deg: float = 0.0
    hits: int = 0
    id: int | None = None

    @property
    def missed(self) -> bool:
        """Whether the last look did not find it surely."""
        return self.found_s < self.looked_s

    def expected(self, now_s: float) -> Box:
        """Where it should be by now."""
        after_s = min(now_s - self.placed_s, FORESIGHT_S)
        if after_s <= 0:
            return self.box
        x, y = self.velocity
        return Box(self.box.x + after_s * x, self.box.y + after_s * y, self.box.w, self.box.h)

    def place(self, face: Face, now_s: float) -> None:
        """Take note of where it is."""
        box = face.box
        after_s = now_s - self.placed_s
        if after_s > 0:
            (x, y), (old_x, old_y), (vx, vy) = box.centre, self.box.centre, self.velocity
            self.velocity = (
                vx + NEWEST * ((x - old_x) / after_s - vx),
                vy + NEWEST * ((y - old_y) / after_s - vy),
            )
        self.box, self.placed_s, self.roll_deg = box, now_s, face.roll_deg


class Tracker:
    """Gives faces ids that survive short misses.

    Args:
        min_iou: boxes that overlap at least so much are the same face.
        sure_score: a face that the detector is so sure of becomes a track at once.
        min_hits: another becomes one when so many looks for it found it without a miss; a hand that the detector
            takes for a face now and then never does.
        min_score: a find that the detector is less sure of says where a known face is, but not that it is still one.
        memory_s: a track whose face is missed lives on for so many seconds.
        ids: where the ids come from; trackers of one run share it, so that no id is given twice.
    """

    def __init__(
        self,
        *,
        min_iou: float = 0.3,
        sure_score: float = 0.9,
        min_hits: int = 3,
        min_score: float = 0.0,
        memory_s: float = 0.7,
        ids: Iterator[int] | None = None,
    ) -> None:
        self._min_iou = min_iou
        self._sure_score = sure_score
        self._min_hits = min_hits
        self._min_score = min_score
        self._memory_s = memory_s
        self._ids = ids or itertools.count(1)
        self.followed: list[Followed] = []

    def update(self, frame: Frame, faces: Sequence[Face], looked: Sequence[Followed] | None = None) -> list[Track]:
        """Match the faces found in a frame to those followed.

        Args:
            frame: where they were found.
            faces: what was found.
            looked: the followed faces whose surroundings were searched, maybe none. None: the whole frame was; only
                then each face that fits none is followed from now on.

        Returns:
            the tracks alive, oldest first; `seen` is False for those that the last look for them did not find.
        """
        now_s = frame.time_s
        sought = self.followed if looked is None else looked
        for followed in sought:
            followed.looked_s = now_s
        owners = self._owners(sought, faces, now_s, reach=REACH if looked is None else NEAR_REACH)
        for face, owner in zip(faces, owners, strict=True):
            if owner is None and looked is not None:
                continue
            followed = owner or self._begin(face, now_s)
            followed.place(face, now_s)
            if face.score < self._min_score:
                continue
            followed.found_s = now_s
            followed.hits += 1
            if followed.id is None and (face.score >= self._sure_score or followed.hits >= self._min_hits):
                followed.id = next(self._ids)
        self.followed = [followed for followed in self.followed if self._lives(followed, now_s)]
        return [
            Track(
                followed.id,
                followed.expected(now_s),
                age_s=now_s - followed.began_s,
                seen=not followed.missed,
                roll_deg=followed.roll_deg,
            )
            for followed in self.followed
            if followed.id is not None
        ]

    def _begin(self, face: Face, now_s: float) -> Followed:
        followed = Followed(face.box, began_s=now_s, placed_s=now_s, found_s=now_s, looked_s=now_s)
        self.followed.append(followed)
        return followed

    def _lives(self, followed: Followed, now_s: float) -> bool:
        patience_s = 0.0 if followed.id is None else self._memory_s
        return not followed.missed or now_s - followed.found_s <= patience_s

    def _owners(
        self, sought: Sequence[Followed], faces: Sequence[Face], now_s: float, *, reach: float
    ) -> list[Followed | None]:
        """For every face found the one that is followed, if any fits."""
        expected = [followed.expected(now_s) for followed in sought]
        owners: list[Followed | None] = [None] * len(faces)
        free = dict.fromkeys(range(len(sought)))

        def give_away(fits: Iterable[tuple[float, int, int]]) -> None:
            for _, i, j in sorted(fits):
                if owners[j] is None and i in free:
                    owners[j] = sought[i]
                    del free[i]

        def pairs() -> Iterator[tuple[int, int]]:
            return ((i, j) for j, owner in enumerate(owners) if owner is None for i in free)

        overlaps = ((expected[i].iou(faces[j].box), i, j) for i, j in pairs())
        give_away([(-iou, i, j) for iou, i, j in overlaps if iou >= self._min_iou and iou > 0])
        distances = ((_distance(expected[i], faces[j].box), i, j) for i, j in pairs())
        give_away([(distance, i, j) for distance, i, j in distances if distance <= reach])
        return owners


def _distance(one: Box, other: Box) -> float:
    """Between two centres, in mean sizes of the boxes; infinite where the sizes differ too much for one face."""
    size, other_size = math.sqrt(one.area), math.sqrt(other.area)
    if not 0.5 <= size / max(other_size, 1e-9) <= 2:
        return math.inf
    return math.dist(one.centre, other.centre) / ((size + other_size) / 2)
