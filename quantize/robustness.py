"""What a model is worth before a camera: faces in scenes, found, cropped and judged as the daemon does it.

Scores on a data set's own crops say nothing of the detector, the crop margin, small faces or bad light. Here
validation pictures are put into scenes at several sizes and in several conditions, and go the daemon's whole way:
its detector, its crop, the int8 network. Pictures of 48 pixels hold no more detail however large they are shown,
so sizes above that tell about detector and crop alone.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.card import Card, find_model, load_model_files
from edge_fer.classify import Classifier, crop_margin
from edge_fer.detect import Detector
from edge_fer.errors import DataError
from edge_fer.judgement import judge, label_indices
from edge_fer.labelled import LabelledPicture, find_labelled, readable
from edge_fer.metrics import Interval, bootstrap_interval, sign_flips, wilson_interval
from edge_fer.preprocess import CropMargin
from edge_fer.records import Frame, Track
from edge_fer.tflite import Network

from .progress import track
from .scenes import (
    CONDITIONS,
    FRAME,
    ROLL_DEG,
    Backgrounds,
    befall,
    find,
    find_backgrounds,
    put_into,
    spoil,
)

SIDES_PX: Final = (32, 48, 64, 100, 140, 200)
"""Sides of the pictures in the scene: a face across a room to one at a desk, in a frame of 640 x 480."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network with the crop margin to try; `name` stands in table and picture."""

    name: str
    card: Card
    network: Network
    margin: CropMargin


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition at one size.

    Attributes:
        condition: one of `edge_fer_quantize.scenes.CONDITIONS`.
        side_px: of the pictures in the scene.
        found: share of the faces that the detector found.
        accuracy: share of all faces that were found and judged rightly.
        accuracy_ci95: its interval.
        accuracy_found: of those that were found; None if none was.
    """

    condition: str
    side_px: int
    found: float
    accuracy: float
    accuracy_ci95: Interval
    accuracy_found: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a candidate did.

    Attributes:
        name: the candidate's.
        sha256: of its network.
        margin: the crop margin it was tried with.
        accuracy_whole: on the same pictures as they are, without scene and detector.
        accuracy: over all cells, which have equally many faces.
        accuracy_ci95: its interval; what varies is the picture, not the cell.
        accuracy_found: of the faces that were found; None if none was.
        p: chance of a difference to the first candidate at least this large, if both were equally good; a picture's
            cells count as one.
        cells: by condition, then size.
    """

    name: str
    sha256: str
    margin: CropMargin
    accuracy_whole: float
    accuracy: float
    accuracy_ci95: Interval
    accuracy_found: float | None
    p: float
    cells: tuple[Cell, ...]


def choose(pictures: Sequence[LabelledPicture], count: int, seed: int) -> list[LabelledPicture]:
    """Draw pictures without putting any back, labels as frequent as they are in the set.

    Raises:
        DataError: there are fewer.
    """
    if count > len(pictures):
        raise DataError(f"there are {len(pictures)} validation pictures, fewer than the {count} asked for")
    order = np.random.default_rng(seed).permutation(len(pictures))
    return [pictures[index] for index in sorted(order[:count])]


def measure(
    candidates: Sequence[Candidate],
    detector: Detector,
    pictures: Sequence[LabelledPicture],
    backgrounds: Backgrounds,
    *,
    seed: int,
    sides_px: Sequence[int] = SIDES_PX,
) -> list[Outcome]:
    """Put every picture into a scene at every size and in every condition, and let every candidate judge it.

    All candidates see the same frames; a picture has one scene, and at each size one place for all conditions.

    Args:
        candidates: with the same labels.
        detector: finds the faces, once for all candidates.
        pictures: labelled face crops.
        backgrounds: the scenes.
        seed: of scenes, places and noise.
        sides_px: sizes of the pictures in the scenes.

    Raises:
        DataError: a picture's label is not one of the models'.
    """
    conditions = tuple(CONDITIONS)
    shape = (len(conditions), len(sides_px), len(pictures))
    found, right = np.zeros(shape, bool), np.zeros((len(candidates), *shape), bool)
    classifiers = [_classifier(one, detector.name) for one in candidates]
    truths = [label_indices(pictures, one.card.labels) for one in candidates]
    for number, picture in enumerate(track(pictures, "pictures in scenes")):
        pixels = picture.read()
        first = np.random.default_rng([seed, number])
        scene, sign = backgrounds.read(int(first.integers(len(backgrounds.names)))), first.choice([-1, 1])
        for c, s in np.ndindex(shape[:2]):
            face = befall(pixels, conditions[c], sign)
            roll_deg = ROLL_DEG * float(sign) if conditions[c] == "roll" else 0.0
            frame, place = put_into(
                scene, face, sides_px[s], np.random.default_rng([seed, number, s]), roll_deg=roll_deg
            )
            frame = spoil(frame, conditions[c], np.random.default_rng([seed, number, s, c]))
            seen = find(Frame(frame, 0.0, 0), place, detector)
            if seen is None:
                continue
            found[c, s, number] = True
            for k, (classifier, truth) in enumerate(zip(classifiers, truths, strict=True)):
                [emotion] = classifier.classify(Frame(frame, 0.0, 0), [Track(1, seen.box, 0.0, roll_deg=seen.roll_deg)])
                right[k, c, s, number] = int(np.argmax(emotion.scores)) == truth[number]
    return [
        _outcome(
            one,
            right[k],
            reference=right[0],
            found=found,
            conditions=conditions,
            sides_px=sides_px,
            whole=_whole(one, pictures),
        )
        for k, one in enumerate(candidates)
    ]


def _classifier(one: Candidate, detector: str) -> Classifier:
    return Classifier(
        one.network, one.card.model_copy(update={"crop_margins": {detector: one.margin}}), detector=detector
    )


def _whole(one: Candidate, pictures: Sequence[LabelledPicture]) -> float:
    judgement = judge(one.network, one.card, pictures)
    return float((judgement.logits.argmax(axis=1) == judgement.truth).mean())


def _outcome(
    one: Candidate,
    right: NDArray[np.bool_],
    *,
    reference: NDArray[np.bool_],
    found: NDArray[np.bool_],
    conditions: Sequence[str],
    sides_px: Sequence[int],
    whole: float,
) -> Outcome:
    cells = []
    for c, s in np.ndindex(right.shape[:2]):
        hits, seen = int(right[c, s].sum()), int(found[c, s].sum())
        cells.append(
            Cell(
                condition=conditions[c],
                side_px=sides_px[s],
                found=seen / right.shape[2],
                accuracy=hits / right.shape[2],
                accuracy_ci95=wilson_interval(hits, right.shape[2]),
                accuracy_found=hits / seen if seen else None,
            )
        )
    return Outcome(
        name=one.name,
        sha256=one.card.sha256,
        margin=one.margin,
        accuracy_whole=whole,
        accuracy=float(right.mean()),
        accuracy_ci95=bootstrap_interval(right.mean(axis=(0, 1))),
        accuracy_found=float(right[found].mean()) if found.any() else None,
        p=sign_flips((right.astype(np.int64) - reference).sum(axis=(0, 1))),
        cells=tuple(cells),
    )


def run_robustness(
    models: Sequence[str],
    margins: Sequence[tuple[float, float]],
    detector: Detector,
    *,
    data: Path,
    scenes: Path,
    out: Path,
    count: int,
    seed: int,
) -> str:
    """Measure models and write robustness.json and robustness.png.

    Args:
        models: shipped models' names, or paths of `.tflite` files.
        margins: scale and shift to try with each model; none: what its card says.
        detector: finds the faces.
        data: labelled pictures with the split validation.
        scenes: folder or zip archive of pictures without faces.
        out: folder for both files.
        count: pictures to take.
        seed: of everything random.

    Returns:
        The table.

    Raises:
        EdgeFerError: a model, the data or the scenes are not what they must be.
    """
    candidates = [one for model in models for one in open_candidates(model, margins, detector.name)]
    pictures = choose(readable(find_labelled(data, "validation"), data), count, seed)
    outcomes = measure(candidates, detector, pictures, find_backgrounds(scenes), seed=seed)
    make_folder(out)
    report = {
        "detector": detector.name,
        "pictures": count,
        "seed": seed,
        "frame": list(FRAME),
        "sides_px": list(SIDES_PX),
        "conditions": CONDITIONS,
        "models": [asdict(one) for one in outcomes],
    }
    write_atomically(out / "robustness.json", (json.dumps(report, indent=2) + "\n").encode())
    draw(outcomes, SIDES_PX, out / "robustness.png")
    return table(outcomes, SIDES_PX)


def open_candidates(model: str, margins: Sequence[tuple[float, float]], detector: str) -> list[Candidate]:
    """Load a model once for each margin to try.

    Raises:
        ModelError: it cannot be used, or its card has no margin for the detector.
    """
    card, content = load_model_files(find_model(model))
    network = Network(content, card)
    if margins:
        return [Candidate(f"{model} at {s:g}, {y:+g}", card, network, CropMargin(s, y)) for s, y in margins]
    return [Candidate(model, card, network, crop_margin(card, detector))]


def table(outcomes: Sequence[Outcome], sides_px: Sequence[int]) -> str:
    """Accuracies in per cent, not found counting as wrong, by condition and size, and the share found."""
    heads = "".join(f"{f'{side} px':>9}" for side in sides_px)
    lines = [f"{'faces found':12}{heads}"]
    lines += _rows([[cell.found for cell in row] for row in _by_condition(outcomes[0])])
    for one in outcomes:
        low, high = one.accuracy_ci95
        lines += [
            "",
            f"{one.name}, crop scale {one.margin.scale:.3f}, shift {one.margin.shift_y:+.3f}",
            f"right: {one.accuracy_whole:.1%} of the pictures as they are; in scenes {one.accuracy:.1%} of all faces "
            f"({low:.1%} to {high:.1%})"
            + ("" if one.accuracy_found is None else f", {one.accuracy_found:.1%} of those found"),
        ]
        if one is not outcomes[0]:
            lines.append(f"against the first: {one.accuracy - outcomes[0].accuracy:+.1%}, p = {one.p:.2g}")
        lines.append(f"{'judged right':12}{heads}")
        lines += _rows([[cell.accuracy for cell in row] for row in _by_condition(one)])
    return "\n".join(lines)


def _rows(shares: Sequence[Sequence[float]]) -> list[str]:
    return [
        f"{condition:12}" + "".join(f"{share:9.1%}" for share in row)
        for condition, row in zip(CONDITIONS, shares, strict=True)
    ]


def _by_condition(one: Outcome) -> list[list[Cell]]:
    return [[cell for cell in one.cells if cell.condition == condition] for condition in CONDITIONS]


def draw(outcomes: Sequence[Outcome], sides_px: Sequence[int], path: Path) -> None:
    """Draw a heat map of each candidate's accuracies, and of the faces found."""
    panels = [(one.name, [[cell.accuracy for cell in row] for row in _by_condition(one)]) for one in outcomes]
    panels.append(("faces found", [[cell.found for cell in row] for row in _by_condition(outcomes[0])]))
    figure = Figure(figsize=(1 + 4.6 * len(panels), 4.2), layout="constrained")
    for axes, (title, shares) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.imshow(shares, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(np.array(shares)):
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color="black" if share > 0.6 else "white")
        axes.set_xticks(range(len(sides_px)), [f"{side}" for side in sides_px])
        axes.set_yticks(range(len(CONDITIONS)), list(CONDITIONS))
        axes.set(xlabel="side of the face picture, px", title=title)
    figure.savefig(path, dpi=120)
