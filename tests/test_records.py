import dataclasses
import typing

import pytest

from edge_fer import records
from edge_fer.records import LABELS, Box, Reading


def test_labels_stand_in_the_order_of_fer2013() -> None:
    assert LABELS == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def test_iou_of_boxes() -> None:
    box = Box(0, 0, 4, 4)
    assert box.iou(box) == 1.0
    assert box.iou(Box(2, 0, 4, 4)) == pytest.approx(8 / 24)
    assert box.iou(Box(4, 0, 4, 4)) == 0.0
    assert box.iou(Box(9, 9, 1, 1)) == 0.0


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
