"""Composes training pictures out of parts: views into scenes with faces, before backgrounds without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.scenes import SURE, Scene
from edge_fer.errors import DataError
from edge_fer.records import GrayImage

from .drawings import draw_head
from .recipe import Composition

Matrix = NDArray[np.float64]

_GROUP_POWER: Final = 0.6
"""A set counts by its size to this power: large sets lead, but a few people's pictures do not drown the rest."""
_MIRRORED: Final = [1, 0, 2, 4, 3]  # right and left change places
_NEAR_PX: Final = 40
"""Faces from this size on can be blurred and still be told from those that are seen with a few pixels."""
_SMALL_PX: Final = 28
"""Faces up to this size are the hardest to tell from what is none, and what a detector meets in a room."""
_VISIBLE: Final = 0.55
_HIDDEN: Final = 0.12


@dataclass(frozen=True, slots=True)
class Look:
    """A view into a scene: what makes a part of a picture.

    Attributes:
        scene: index of the scene.
        matrix: float64 (2, 3), from pixels of the scene to pixels of the part.
    """

    scene: int
    matrix: Matrix


@dataclass(slots=True)
class Picture:
    """A composed picture; boxes, landmarks and scores as `targets.Faces` has them."""

    pixels: GrayImage
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]


class Composer:
    """Makes pictures of scenes.

    Args:
        scenes: with and without faces.
        recipe: how often what happens.
    """

    def __init__(self, scenes: Sequence[Scene], recipe: Composition) -> None:
        # People without their faces: helmets, collars, hands and ears are what a detector takes for faces.
        near = [scene for scene in scenes if len(scene.boxes) and scene.boxes[:, 2:].min() >= _NEAR_PX]
        self._scenes = scenes = [*scenes, *map(without_faces, near)]
        self._recipe = recipe
        self._levels = [_halved(scene.pixels) for scene in scenes]
        groups = np.array([scene.group for scene in scenes])
        has_face = np.array([len(scene.boxes) > 0 for scene in scenes])
        self._with_faces, self._faceless = np.flatnonzero(has_face), np.flatnonzero(~has_face)
        sure = [(i, j) for i, scene in enumerate(scenes) for j in np.flatnonzero(scene.scores >= SURE)]
        if not sure or not len(self._faceless):
            raise DataError("the detector learns from scenes with faces and from scenes without; both are needed")
        self._faceless_cumulated = _cumulated_weights(groups[self._faceless])
        heights = np.array([scenes[i].boxes[j, 3] for i, j in sure])
        order = np.argsort(-heights, kind="stable")
        self._faces = np.array(sure)[order]
        self._heights = heights[order]
        self._face_weights = np.cumsum(_weights(groups[self._faces[:, 0]]))

    def faceless_look(self, height: int, width: int, rng: np.random.Generator) -> Look:
        """A random view into a scene without faces that covers a part of a given size."""
        index = int(self._faceless[np.searchsorted(self._faceless_cumulated, rng.random())])
        rows, columns = self._scenes[index].pixels.shape
        cover = max(height / rows, width / columns)
        scale = cover * np.exp(rng.uniform(-0.25, 1.1))
        middle = rng.uniform(0.15, 0.85, 2) * (columns, rows)
        return Look(index, _matrix(middle, (width / 2, height / 2), scale, _roll(25, rng), mirror=rng.random() < 0.5))

    def draw(self, look: Look, part: GrayImage) -> None:
        """Draw a view over a whole part, the scene mirrored at its borders."""
        self._warp(look, part, cv2.BORDER_REFLECT_101)

    def compose(self, height: int, width: int, rng: np.random.Generator, hard: Sequence[Look] = ()) -> Picture:
        """One picture.

        Args:
            height: in pixels.
            width: in pixels.
            rng: what it is made of depends on its state alone.
            hard: views without faces on which the network sees some, made for parts of `MINED_PX`.
        """
        canvas = np.empty((height, width), np.uint8)
        faceless = rng.random() < self._recipe.faceless
        boxes: list[NDArray[np.float32]] = []
        landmarks: list[NDArray[np.float32]] = []
        scores: list[NDArray[np.float32]] = []
        for top, left, rows, columns in _layout(height, width, rng):
            part = canvas[top : top + rows, left : left + columns]
            if faceless or rng.random() < 0.08:
                self._draw_faceless(part, rng, hard)
                continue
            found = self._draw_faces(part, rng)
            for known, new in zip((boxes, landmarks, scores), found, strict=True):
                known.append(new)
            boxes[-1][:, :2] += (left, top)
            landmarks[-1] += np.array((left, top), np.float32)
        if not boxes:
            empty = np.empty((0, 4), np.float32)
            return Picture(canvas, empty, np.empty((0, 5, 2), np.float32), np.empty(0, np.float32))
        return Picture(canvas, np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores))

    def _draw_faceless(self, part: GrayImage, rng: np.random.Generator, hard: Sequence[Look]) -> None:
        height, width = part.shape
        if hard and rng.random() < self._recipe.mined:
            look = hard[int(rng.integers(len(hard)))]
            scale = np.exp(rng.normal(0, 0.15))
            jitter = _matrix(
                (MINED_PX[1] / 2, MINED_PX[0] / 2),
                (width * rng.uniform(0.25, 0.75), height * rng.uniform(0.25, 0.75)),
                scale, _roll(10, rng), mirror=rng.random() < 0.5,
            )  # fmt: skip
            self.draw(Look(look.scene, _after(jitter, look.matrix)), part)
            return
        if rng.random() < 0.04:
            part[:] = np.linspace(rng.uniform(0, 255), rng.uniform(0, 255), width)
        else:
            self.draw(self.faceless_look(height, width, rng), part)
        if rng.random() < 0.3:  # things cut out elsewhere: an outline alone makes no face
            side = rng.uniform(0.15, 0.9) * min(height, width)
            x, y = rng.uniform(0, (width, height))
            self._paste(part, (x - side * 0.4, y - side / 2, side * 0.8, side), rng)
        if rng.random() < self._recipe.drawn:
            draw_head(part, rng)

    def _draw_faces(
        self, part: GrayImage, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        height, width = part.shape
        look, aim = self._look_at_face(height, width, rng)
        scene = self._scenes[look.scene]
        cut = aim >= 0 and rng.random() < self._recipe.cut_out
        if cut or not _covers(look.matrix, scene.pixels.shape, (height, width)):
            self._draw_faceless(part, rng, ())
        keep = np.array([aim]) if cut else np.arange(len(scene.boxes))
        boxes, landmarks = _moved(scene.boxes[keep], scene.landmarks[keep], look.matrix)
        scores = np.where(scene.scores[keep] >= SURE, scene.scores[keep], 0).astype(np.float32)
        if cut:
            self._draw_cut_out(part, look, boxes[0], rng)
        else:
            self._warp(look, part, cv2.BORDER_TRANSPARENT)
        seen = _visible_share(boxes, height, width)
        scores[(seen < _VISIBLE) | (np.sqrt(boxes[:, 2] * boxes[:, 3]) < self._recipe.smallest_px * 0.8)] = 0
        keep = seen > _HIDDEN
        for i in np.flatnonzero(keep & (boxes[:, 3] > 12)):
            luck = rng.random()
            if luck < self._recipe.featureless:
                _hide_features(part, boxes[i])
                keep[i] = False
            elif luck < self._recipe.featureless + self._recipe.occlude:
                self._occlude(part, boxes[i], rng)
        return boxes[keep], landmarks[keep], scores[keep]

    def _look_at_face(self, height: int, width: int, rng: np.random.Generator) -> tuple[Look, int]:
        """A view with a face of a drawn size somewhere in it, and which face that is; -1 if it is not aimed at one."""
        recipe = self._recipe
        small = recipe.small > 0 and rng.random() < recipe.small
        largest = max(_SMALL_PX if small else recipe.largest * height, recipe.smallest_px)
        size = np.exp(rng.uniform(np.log(recipe.smallest_px), np.log(largest)))
        tall_enough = np.searchsorted(-self._heights, -size / recipe.enlarge, side="right")
        last = self._face_weights[max(tall_enough, 1) - 1]
        index, face = self._faces[np.searchsorted(self._face_weights[: max(tall_enough, 1)], rng.random() * last)]
        scene = self._scenes[index]
        x, y, w, h = scene.boxes[face].astype(float)
        scale = min(size / h, recipe.enlarge)
        middle, place = np.array((x + w / 2, y + h / 2)), rng.uniform(0, 1, 2) * (width, height)
        aim = int(face)
        if rng.random() < recipe.anywhere:
            middle, aim = rng.uniform(0, 1, 2) * scene.pixels.shape[::-1], -1
            place = np.array((width / 2, height / 2))
        elif rng.random() < 0.85:  # most faces lie within the picture as far as they are small enough
            half = np.minimum(np.array((w, h)) * scale * 0.5, (width / 2, height / 2))
            place = half + rng.uniform(0, 1, 2) * (np.array((width, height)) - 2 * half)
        stretch = np.exp(rng.normal(0, 0.04))
        matrix = _matrix(middle, place, scale, _roll(recipe.roll_deg, rng), mirror=rng.random() < 0.5, stretch=stretch)
        return Look(int(index), matrix), aim

    def _warp(self, look: Look, part: GrayImage, border: int) -> None:
        scale = np.sqrt(abs(np.linalg.det(look.matrix[:, :2])))
        level = int(np.clip(np.floor(-np.log2(scale) + 0.3), 0, len(self._levels[look.scene]) - 1))
        step = 2.0**level
        shrunk = look.matrix.copy()
        shrunk[:, 2] += look.matrix[:, :2] @ np.full(2, (step - 1) / 2)
        shrunk[:, :2] *= step
        source = self._levels[look.scene][level]
        cv2.warpAffine(source, shrunk, part.shape[::-1], dst=part, flags=cv2.INTER_LINEAR, borderMode=border)

    def _draw_cut_out(self, part: GrayImage, look: Look, box: NDArray[np.float32], rng: np.random.Generator) -> None:
        grown = rng.uniform(1.25, 1.9)
        x, y, w, h = box.tolist()
        x, y, w, h = x - w * (grown - 1) / 2, y - h * (grown - 1) / 2, w * grown, h * grown
        whole = part.copy()
        self._warp(look, whole, cv2.BORDER_TRANSPARENT)
        _blend(part, whole, (x, y, w, h))

    def _paste(self, part: GrayImage, box: tuple[float, float, float, float], rng: np.random.Generator) -> None:
        whole = np.empty_like(part)
        self.draw(self.faceless_look(part.shape[0], part.shape[1], rng), whole)
        _blend(part, whole, box)

    def _occlude(self, part: GrayImage, box: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Something before the face from one side: a hand, a hat, a cup."""
        x, y, w, h = box.tolist()
        share = rng.uniform(0.2, 0.45)
        match rng.integers(4):
            case 0:
                y, h = y - 0.1 * h, share * h
            case 1:
                y, h = y + (1.05 - share) * h, share * h
            case 2:
                x, w = x - 0.1 * w, share * w
            case _:
                x, w = x + (1.1 - share) * w, share * w
        self._paste(part, (x - w * 0.1, y - h * 0.1, w * 1.2, h * 1.2), rng)


MINED_PX: Final = (128, 160)
"""Height and width of the parts in which hard views are searched."""


def recentred(look: Look, x: float, y: float) -> Look:
    """The same view moved so that what was at (x, y) lies in the middle of a part of `MINED_PX`."""
    matrix = look.matrix.copy()
    matrix[:, 2] += (MINED_PX[1] / 2 - x, MINED_PX[0] / 2 - y)
    return Look(look.scene, matrix)


def without_faces(scene: Scene) -> Scene:
    """The same scene with everything that is or may be a face blurred beyond recognition."""
    pixels = scene.pixels.copy()
    for x, y, w, h in scene.boxes.tolist():
        side = round(max(w, h, 2))
        blurred = cv2.blur(pixels, (side, side)).astype(np.uint8, copy=False)
        _blend(pixels, blurred, (x - 0.25 * w, y - 0.25 * h, 1.5 * w, 1.5 * h))
    nothing = np.zeros(0, np.intp)
    return replace(
        scene,
        pixels=pixels,
        boxes=scene.boxes[nothing],
        landmarks=scene.landmarks[nothing],
        scores=scene.scores[nothing],
    )


def _halved(pixels: GrayImage) -> list[GrayImage]:
    levels = [pixels]
    for _ in range(3):
        height, width = levels[-1].shape
        smaller = cv2.resize(levels[-1][: height // 2 * 2, : width // 2 * 2], None, fx=0.5, fy=0.5,
                             interpolation=cv2.INTER_AREA)  # fmt: skip
        levels.append(smaller.astype(np.uint8, copy=False))
    return levels


def _weights(groups: NDArray[np.str_]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = counts[inverse] ** (_GROUP_POWER - 1.0)
    return np.asarray(weights / weights.sum())


def _cumulated_weights(groups: NDArray[np.str_]) -> NDArray[np.float64]:
    cumulated = np.cumsum(_weights(groups))
    cumulated[-1] = 1
    return cumulated


def _roll(most_deg: float, rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(0, most_deg / 2.5), -most_deg, most_deg))


def _matrix(
    middle: Sequence[float] | NDArray[np.float64],
    place: Sequence[float] | NDArray[np.float64],
    scale: float,
    roll_deg: float,
    *,
    mirror: bool,
    stretch: float = 1.0,
) -> Matrix:
    """Puts the point `middle` of a scene at `place`, scaled, rolled, mirrored, its width stretched."""
    cos, sin = np.cos(np.deg2rad(roll_deg)) * scale, np.sin(np.deg2rad(roll_deg)) * scale
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([-stretch if mirror else stretch, 1 / stretch])
    return np.hstack([linear, (np.asarray(place) - linear @ np.asarray(middle))[:, None]])


def _after(second: Matrix, first: Matrix) -> Matrix:
    linear = second[:, :2] @ first[:, :2]
    return np.hstack([linear, (second[:, :2] @ first[:, 2] + second[:, 2])[:, None]])


def _layout(height: int, width: int, rng: np.random.Generator) -> list[tuple[int, int, int, int]]:
    """Parts of a picture: top, left, rows, columns of each; one, two beside each other, or four."""
    luck = rng.random() + (0.25 if height * width > 30_000 else 0)
    if luck < 0.65:
        return [(0, 0, height, width)]
    x, y = (round(side * rng.uniform(0.35, 0.65)) for side in (width, height))
    if luck < 0.85:
        return [(0, 0, height, x), (0, x, height, width - x)]
    return [(0, 0, y, x), (0, x, y, width - x), (y, 0, height - y, x), (y, x, height - y, width - x)]


def _covers(matrix: Matrix, scene: tuple[int, ...], part: tuple[int, int]) -> bool:
    corners = np.array([(0, 0), (part[1], 0), (0, part[0]), (part[1], part[0])]) - matrix[:, 2]
    inside = np.linalg.solve(matrix[:, :2], corners.T)
    return bool(inside.min() >= 0 and inside[0].max() <= scene[1] - 1 and inside[1].max() <= scene[0] - 1)


def _moved(
    boxes: NDArray[np.float32], landmarks: NDArray[np.float32], matrix: Matrix
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    linear, shift = matrix[:, :2], matrix[:, 2]
    scale = np.hypot(linear[0], linear[1])  # lengths of the columns: what a width and a height become
    middle = (boxes[:, :2] + boxes[:, 2:] / 2) @ linear.T + shift
    sides = boxes[:, 2:] * scale
    points = landmarks @ linear.T + shift
    if np.linalg.det(linear) < 0:
        points = points[:, _MIRRORED]
    return np.hstack([middle - sides / 2, sides]).astype(np.float32), points.astype(np.float32)


def _visible_share(boxes: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    low = np.maximum(boxes[:, :2], 0)
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], (width, height))
    share = np.prod(np.maximum(high - low, 0), axis=1) / np.prod(boxes[:, 2:], axis=1)
    return np.asarray(share, np.float32)


def _soft_ellipse() -> NDArray[np.float32]:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    return np.asarray(np.clip((1 - np.hypot(x, y)) / 0.2, 0, 1), np.float32)


_ELLIPSE: Final = _soft_ellipse()


def _blend(part: GrayImage, other: GrayImage, box: tuple[float, float, float, float]) -> None:
    """Put the other picture's pixels within an ellipse into the part."""
    x, y, w, h = (round(value) for value in box)
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + w, part.shape[1]), min(y + h, part.shape[0])
    if right - left < 2 or bottom - top < 2:
        return
    alpha = cv2.resize(_ELLIPSE, (w, h))[top - y : bottom - y, left - x : right - x]
    below = part[top:bottom, left:right]
    below[:] = below + alpha * (other[top:bottom, left:right].astype(np.float32) - below)


def _hide_features(part: GrayImage, box: NDArray[np.float32]) -> None:
    """Draw what is above the brows over the whole face: the back of a head is no face."""
    x, y, w, h = box.tolist()
    height, width = part.shape
    left, right = round(max(x + 0.15 * w, 0)), round(min(x + 0.85 * w, width))
    top, bottom = round(max(y - 0.12 * h, 0)), round(min(y + 0.12 * h, height))
    if right - left < 2 or bottom - top < 2:
        part[max(round(y), 0) : round(y + h), max(round(x), 0) : round(x + w)] = 128
        return
    x, y, w, h = (round(value) for value in (x - 0.08 * w, y - 0.05 * h, 1.16 * w, 1.15 * h))
    whole = part.copy()
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    hair = cv2.resize(part[top:bottom, left:right], (w, h), interpolation=cv2.INTER_LINEAR)
    whole[y0:y1, x0:x1] = hair[y0 - y : y1 - y, x0 - x : x1 - x]
    _blend(part, whole, (x, y, w, h))
