"""Compares what a detector finds with faces that are known: recall by size, false boxes, how well boxes lie."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.detect import Detector
from edge_fer.detect.scenes import SURE, Scene
from edge_fer.records import Box, Face, Frame, GrayImage

SIZES_PX: Final = (8, 16, 32, 64, 100_000)
"""Limits of the sizes of faces (root of the box's area) that are counted apart, in pixels of the searched picture."""
FOUND_IOU: Final = 0.4
"""Overlap with a known face from which a box is of it; below, detectors disagree on how much forehead is face."""
FALSE_IOU: Final = 0.2
"""A box that overlaps every known or doubtful face less than so much, is false."""


@dataclass(frozen=True, slots=True)
class Known:
    """A frame and the faces in it.

    Attributes:
        pixels: uint8 (height, width).
        faces: boxes that are faces.
        doubtful: boxes that may be one.
    """

    pixels: GrayImage
    faces: tuple[Box, ...]
    doubtful: tuple[Box, ...] = ()


@dataclass(slots=True)
class Tally:
    """What was counted over frames.

    Attributes:
        frames: looked at.
        there: known faces, by the interval of `SIZES_PX` they lie in.
        found: of them.
        overlaps: intersection over union of each box with the face it found.
        false_scores: of boxes where nothing is known, the surest first.
    """

    frames: int = 0
    there: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SIZES_PX) - 1, np.int64))
    found: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SIZES_PX) - 1, np.int64))
    overlaps: list[float] = field(default_factory=list)
    false_scores: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float:
        """Share of the known faces of 16 pixels and more that were found."""
        return float(self.found[1:].sum() / max(self.there[1:].sum(), 1))


def known_of(scene: Scene) -> Known:
    """A scene with the teacher's boxes, doubtful below `scenes.SURE`."""
    boxes = [Box(*row) for row in scene.boxes.tolist()]
    sure = (scene.scores >= SURE).tolist()
    return Known(
        scene.pixels,
        tuple(box for box, is_sure in zip(boxes, sure, strict=True) if is_sure),
        tuple(box for box, is_sure in zip(boxes, sure, strict=True) if not is_sure),
    )


def judge(detector: Detector, frames: Iterable[Known], search_px: int) -> Tally:
    """Let a detector search frames and count.

    Args:
        detector: which searches at `search_px`.
        frames: with what is known of them.
        search_px: to tell how large faces are in the picture that is searched.
    """
    tally = Tally()
    for index, known in enumerate(frames):
        found = detector.detect(Frame(known.pixels, index / 10, index))
        factor = max(1.0, max(known.pixels.shape) / search_px)
        _count(tally, found, known, factor)
    tally.false_scores.sort(reverse=True)
    return tally


def _count(tally: Tally, found: Sequence[Face], known: Known, factor: float) -> None:
    tally.frames += 1
    free = list(found)
    for box in known.faces:
        size = np.sqrt(box.area) / factor
        interval = int(np.searchsorted(SIZES_PX, size, side="right")) - 1
        best = max(free, key=lambda face: face.box.iou(box), default=None)
        overlap = best.box.iou(box) if best else 0.0
        if best and overlap >= FOUND_IOU:
            free.remove(best)
            tally.overlaps.append(overlap)
        if interval >= 0:
            tally.there[interval] += 1
            tally.found[interval] += overlap >= FOUND_IOU
    everything = (*known.faces, *known.doubtful)
    tally.false_scores += [face.score for face in free if all(face.box.iou(box) < FALSE_IOU for box in everything)]
