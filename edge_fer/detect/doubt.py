"""A second look, from near by, at what a search of the whole frame is not sure of.

The frame is searched shrunk; a doubtful face is cut out of it at full resolution, alone, and of the size that the
detector knows best. A detector cascade in the sense of Viola and Jones (2001), with one network for both stages.
"""

from collections.abc import Callable, Sequence
from typing import Final

from edge_fer.follow import SAME, region_around, without_repeats
from edge_fer.records import Box, Face

MOST_LOOKS: Final = 4
"""Doubtful faces of a frame that are looked at again, the surest.

A look costs an eighth of a search at 320 pixels and half of one at 160."""


def settle(found: Sequence[Face], min_score: float, look: Callable[[Box], Sequence[Face]]) -> list[Face]:
    """Keep what is sure, and what is doubtful only if it is sure from near by, as it is seen there.

    Args:
        found: in the whole frame, the surest first.
        min_score: from which on a face is sure.
        look: the sure faces in a square of the frame.

    Returns:
        the surest first.
    """
    doubtful = [face for face in found if face.score < min_score]
    sure = [face for face in found if face.score >= min_score]
    seen = [
        again
        for face in doubtful[:MOST_LOOKS]
        for again in look(region_around(face.box))
        if again.box.iou(face.box) >= SAME
    ]
    return list(without_repeats([*sure, *seen]))
