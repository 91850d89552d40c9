"""Fits how a detector's boxes become crops in which the network judges best.

A training picture is pasted, enlarged, onto a canvas that goes on as its border does, blurred; the detector
finds the face there, and box and picture together say which crop of the box would have been the picture. The
median over many pictures is the framing, around which margins are tried on validation pictures. The trick is
sound for YuNet: relative to eyes and mouth, its boxes on such canvases are within 1 % of those on photographs of
whole scenes.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.card import Card, CropFit, load_model_files
from edge_fer.detect import Detector
from edge_fer.errors import DataError
from edge_fer.judgement import label_indices
from edge_fer.labelled import LabelledPicture
from edge_fer.preprocess import CropMargin, crop_face, lighten, resize_face, to_model_input
from edge_fer.records import Box, Face, Frame, GrayImage
from edge_fer.tflite import Network

from .calibration import balanced_list
from .progress import track
from .ptq import write_card
from .scenes import find, surround
from .splits import Splits

log = logging.getLogger(__name__)

SIDES_PX: Final = (96, 144)
"""Sides of the pasted pictures: faces as they are in front of a camera, in the width that detectors search."""
SCALES: Final = (0.88, 0.94, 1.0, 1.06, 1.12)
"""Margins that are tried, relative to the framing's scale …"""
SHIFTS: Final = (-0.06, -0.03, 0.0, 0.03, 0.06)
"""… and to its shift."""


@dataclass(frozen=True, slots=True)
class Pasted:
    """A picture on its canvas, where it lies there, and the face that the detector found; None if it found none."""

    frame: Frame
    place: Box
    found: Face | None


def fit_crop(model: Path, splits: Splits, detector: Detector, *, per_class: int = 200, seed: int = 0) -> Card:
    """Fit the margin, and write it and what its crops are worth into the card.

    Args:
        model: the `.tflite` file, its card beside it.
        splits: the boxes are framed like the training pictures, and tried on those of validation.
        detector: whose boxes are to be framed.
        per_class: pictures of each label, of either split.
        seed: of their choice.

    Returns:
        The card as written.

    Raises:
        EdgeFerError: model or data are not what they must be, or the detector finds no face.
    """
    card, content = load_model_files(model)
    train = balanced_list(splits.train, card.labels, per_class, seed)
    pasted = [
        paste(picture.read(), side, detector)
        for side in SIDES_PX
        for picture in track(train, f"{detector.name}: boxes at {side} px")
    ]
    found = [one for one in pasted if one.found is not None]
    if len(found) < len(pasted) / 4:
        raise DataError(
            f"{splits.source}: {detector.name} found only {len(found)} faces in {len(pasted)} training pictures"
        )
    frames = np.array([framing(one.place, one.found.box) for one in found if one.found is not None])
    framed = CropMargin(*np.median(frames, axis=0).round(3).tolist())
    validation = balanced_list(splits.validation, card.labels, per_class, seed)
    whole, cropped = try_margins(Network(content, card), card, validation, detector, margins_around(framed))
    best = choose(cropped.mean(axis=2))
    margin = margins_around(framed)[best[0]][best[1]]
    log.info("%s: framed like %s, best cropped with %s", detector.name, framed, margin)
    centre = cropped[len(SCALES) // 2, len(SHIFTS) // 2]
    low, high = np.percentile(frames, [25, 75], axis=0).round(3)
    fit = CropFit(
        pictures=len(pasted),
        found=len(found) / len(pasted),
        scale_quartiles=(float(low[0]), float(high[0])),
        shift_y_quartiles=(float(low[1]), float(high[1])),
        judged=len(whole),
        accuracy_whole=float(whole.mean()),
        accuracy_framed=float(centre.mean()),
        accuracy_cropped=float(cropped[best].mean()),
    )
    log.info("%d validation faces: %s", fit.judged, fit)
    card = card.model_copy(
        update={
            "crop_margins": {**card.crop_margins, detector.name: margin},
            "crop_fits": {**card.crop_fits, detector.name: fit},
        }
    )
    write_card(card, model.parent)
    return card


def paste(picture: GrayImage, side_px: int, detector: Detector) -> Pasted:
    """Put a picture of a face onto a canvas and let the detector find it."""
    frame = Frame(pixels=surround(picture, side_px), time_s=0.0, index=0)
    border = (frame.pixels.shape[0] - side_px) // 2
    place = Box(border, border, side_px, side_px)
    return Pasted(frame, place, find(frame, place, detector))


def framing(place: Box, found: Box) -> tuple[float, float]:
    """The scale and shift_y with which `edge_fer.preprocess.crop_face` would cut `place` out around `found`."""
    return place.w / ((found.w + found.h) / 2), (place.centre[1] - found.centre[1]) / place.w


def margins_around(framed: CropMargin) -> list[list[CropMargin]]:
    """The margins that are tried, by `SCALES`, then by `SHIFTS`."""
    return [
        [CropMargin(round(framed.scale * scale, 3), round(framed.shift_y + shift, 3)) for shift in SHIFTS]
        for scale in SCALES
    ]


def try_margins(
    network: Network,
    card: Card,
    pictures: Sequence[LabelledPicture],
    detector: Detector,
    margins: Sequence[Sequence[CropMargin]],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Judge pasted pictures as the daemon would, and the same pictures as they are.

    Returns:
        Of the n faces that were found, whether their whole pictures were judged rightly, bool (n,), and the detector's
        crops of them, bool (*margins, n).
    """

    def right(crop: GrayImage, label: int) -> bool:
        return int(network.logits(to_model_input(crop)).argmax()) == label

    whole: list[bool] = []
    cropped: list[list[list[bool]]] = []
    truth: NDArray[np.int64] = label_indices(pictures, card.labels)
    tried = track(list(zip(pictures, truth.tolist(), strict=True)), f"{detector.name}: margins")
    for picture, label in tried:
        pixels = picture.read()
        pasted = paste(pixels, SIDES_PX[-1], detector)
        if pasted.found is not None:
            canvas, face = pasted.frame.pixels, pasted.found
            whole.append(right(resize_face(pixels, card.input_size), label))
            cropped.append(
                [
                    [
                        right(lighten(crop_face(canvas, face.box, m, card.input_size, roll_deg=face.roll_deg)), label)
                        for m in row
                    ]
                    for row in margins
                ]
            )
    return np.array(whole), np.moveaxis(np.array(cropped), 0, 2)


def choose(accuracies: NDArray[np.float64]) -> tuple[int, int]:
    """Where the accuracy is best over a margin and its eight neighbours, which says more than the luck of one of them.

    Of equally good ones the nearest to the middle.

    Args:
        accuracies: float64 (scales, shifts), three each at least.
    """
    smooth = np.lib.stride_tricks.sliding_window_view(accuracies, (3, 3)).mean(axis=(2, 3))
    rows, columns = np.nonzero(smooth >= smooth.max() - 1e-9)
    middle = np.array(smooth.shape) // 2
    nearest = int(np.argmin(np.hypot(rows - middle[0], columns - middle[1])))
    return int(rows[nearest]) + 1, int(columns[nearest]) + 1
