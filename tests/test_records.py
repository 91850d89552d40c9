import cmath
import dataclasses
import math
import typing

import pytest

from edge_fer import records
from edge_fer.records import LABELS, Box, Face, Reading


def test_labels_stand_in_the_order_of_fer2013() -> None:
    assert LABELS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_iou_of_boxes() -> None:
    box = Box(0, 0, 4, 4)
    assert box.iou(box) == 1.0
    assert box.iou(Box(2, 0, 4, 4)) == pytest.approx(8 / 24)
    assert box.iou(Box(4, 0, 4, 4)) == 0.0
    assert box.iou(Box(9, 9, 1, 1)) == 0.0


def face(*landmarks: tuple[float, float]) -> Face:
    return Face(Box(0, 0, 100, 100), 0.9, landmarks)


def test_roll_of_a_head_is_that_of_eyes_and_mouth() -> None:
    upright = face((30, 40), (70, 40), (50, 60), (35, 80), (65, 80))
    assert upright.roll_deg == 0.0
    assert Face(Box(0, 0, 100, 100), 0.9).roll_deg == 0.0
    turned = [complex(x, y) * cmath.rect(1, math.radians(25)) for x, y in upright.landmarks]  # y down: clockwise
    assert face(*((point.real, point.imag) for point in turned)).roll_deg == pytest.approx(25)
    aside = face((48, 40), (52, 44), (50, 60), (47, 80), (53, 80))  # in profile the eyes say little
    assert aside.roll_deg == pytest.approx(math.degrees(math.atan2(4, 4 + 6 + 38)))


def test_every_record_is_frozen_and_slotted() -> None:
    classes = [value for value in vars(records).values() if isinstance(value, type) and dataclasses.is_dataclass(value)]
    assert {record.__name__ for record in classes} == {
        "Box", "Frame", "Face", "Track", "Emotion", "Reading",
    }  # fmt: skip
    for record in classes:
        assert getattr(record, "__dataclass_params__").frozen  # noqa: B009 - typeshed does not know it
        assert "__slots__" in vars(record)


def test_a_reading_can_hold_scalars_only() -> None:
    """Privacy is a matter of types: what leaves the process has no room for pixels."""
    hints = typing.get_type_hints(Reading)
    scalars = {name for name, hint in hints.items() if hint in (int, float, str)}
    assert scalars == {"time_s", "track", "emotion", "confidence", "for_s"}
    assert typing.get_args(hints["box"]) == (float,) * 4
    assert typing.get_args(hints["scores"]) == (str, float)
    assert set(hints) == scalars | {"box", "scores"}
