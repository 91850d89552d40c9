"""The records that travel from step to step, and the only things that do.

Pixels end at the classifier: a `Reading`, which is what leaves the process, holds scalars alone. A picture leaves it
only where the user turns pictures on, by the live page and by `edge_fer.publish.picture`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

GrayImage: TypeAlias = NDArray[np.uint8]
"""Luminance, uint8, shape (height, width), C-contiguous."""

ColourImage: TypeAlias = NDArray[np.uint8]
"""BGR as OpenCV has it, uint8, shape (height, width, 3)."""

LABELS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The emotions of FER2013 in the order of its CSV, which is the order of every score vector."""

UNCERTAIN: Final = "uncertain"
"""What a reading says while no emotion is sure enough."""

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """An upright rectangle in pixels of the frame; it may reach beyond the frame's border."""

    x: float
    y: float
    w: float
    h: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.w * self.h

    @property
    def centre(self) -> Point:
        """Its middle, in pixels."""
        return self.x + self.w / 2, self.y + self.h / 2

    def iou(self, other: "Box") -> float:
        """Intersection over union with another box, 0 to 1."""
        width = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        height = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        overlap = width * height
        return overlap / (self.area + other.area - overlap)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a camera.

    Attributes:
        pixels: luminance, uint8 (height, width).
        time_s: when it was captured, in seconds of the monotonic clock (a file's frames: its own time line).
        index: counts the frames that the camera delivered, dropped ones included, from 0.
        colour: makes the BGR picture when somebody wants to see it; None where the source has luminance only.
    """

    pixels: GrayImage
    time_s: float
    index: int
    colour: Callable[[], ColourImage] | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """What a detector found: its box, its score (0 to 1), and five landmarks where the detector gives them.

    Landmarks are right eye, left eye, nose tip, right and left corner of the mouth (the person's own right and
    left), in pixels of the frame.
    """

    box: Box
    score: float
    landmarks: tuple[Point, ...] = ()

    @property
    def roll_deg(self) -> float:
        """How far the head is tilted, clockwise as the picture shows it, in degrees; 0 without landmarks.

        The mean direction of three lines: through the eyes, through the corners of the mouth, and across the one from
        the eyes' middle to the mouth's. A line counts by its length, so that one foreshortened by a turned head counts
        less.
        """
        if not self.landmarks:
            return 0.0
        (right_x, right_y), (left_x, left_y), _, (corner_x, corner_y), (other_x, other_y) = self.landmarks
        down_x, down_y = (
            ((corner_x + other_x) - (right_x + left_x)) / 2,
            ((corner_y + other_y) - (right_y + left_y)) / 2,
        )
        across_x = (left_x - right_x) + (other_x - corner_x) + down_y
        across_y = (left_y - right_y) + (other_y - corner_y) - down_x
        return math.degrees(math.atan2(across_y, across_x))


@dataclass(frozen=True, slots=True)
class Track:
    """A face followed through time; `id` is never given twice in one run.

    `seen` is False while the face is only remembered: the detector missed it in this frame. `roll_deg` is its head's
    tilt, see `Face`.
    """

    id: int
    box: Box
    age_s: float
    seen: bool = True
    roll_deg: float = 0.0


@dataclass(frozen=True, slots=True)
class Emotion:
    """The classifier's word on one track in one frame: calibrated probabilities in the model's label order."""

    track: int
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is published of one face.

    Attributes:
        time_s: the frame's time, seconds of the monotonic clock.
        track: the track's id.
        emotion: a label of the model, or `UNCERTAIN`.
        confidence: smoothed probability of `emotion`; of the most probable label while uncertain.
        scores: smoothed probability of every label; they sum to 1.
        box: x, y, w, h in fractions of the frame, cut off at its border.
        for_s: how long `emotion` has stood.
    """

    time_s: float
    track: int
    emotion: str
    confidence: float
    scores: Mapping[str, float]
    box: tuple[float, float, float, float]
    for_s: float
