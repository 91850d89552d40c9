from collections.abc import Callable

import pytest

from edge_fer.publish.events import EventPolicy, FaceEvent, Kind, Spell
from edge_fer.records import Reading

MakeReading = Callable[..., Reading]


@pytest.fixture
def policy() -> EventPolicy:
    return EventPolicy(rate_hz=5)


def kinds(events: list[FaceEvent]) -> list[tuple[int, str, int]]:
    return [(event.seq, event.kind.value, event.track) for event in events]


def test_a_visit_appears_changes_and_leaves(policy: EventPolicy, make_reading: MakeReading) -> None:
    (came,) = policy.update(10.0, [make_reading(3, "sad", confidence=0.6)])
    assert came == FaceEvent(1, Kind.APPEAR, 3, None, make_reading(3, "sad", confidence=0.6), 0.0, None)
    assert policy.update(11.0, [make_reading(3, "sad", confidence=0.9)]) == []
    assert policy.update(12.0, [make_reading(3, "sad", confidence=0.7)]) == []
    happy = make_reading(3, "happy", confidence=0.8)
    assert policy.update(14.0, [happy]) == [FaceEvent(2, Kind.CHANGE, 3, Spell("sad", 4.0, 0.9), happy, 4.0, None)]
    assert policy.update(15.0, [make_reading(3, "happy", confidence=0.7)]) == []
    assert policy.update(17.0, []) == [
        FaceEvent(3, Kind.LEAVE, 3, Spell("happy", 1.0, 0.8), None, 5.0, {"sad": 4.0, "happy": 1.0})
    ]
    assert policy.update(18.0, []) == []


def test_the_peak_is_that_of_the_emotion_that_was_told(policy: EventPolicy, make_reading: MakeReading) -> None:
    policy.update(0.0, [make_reading(emotion="sad", confidence=0.6)])
    assert policy.update(0.125, [make_reading(emotion="happy", confidence=0.95)]) == []  # too soon
    (changed,) = policy.update(0.25, [make_reading(emotion="angry", confidence=0.55)])
    assert changed.before == Spell("sad", 0.25, 0.6)
    (left,) = policy.update(1.0, [])
    assert left.before == Spell("angry", 0.0, 0.55)
    assert left.summary == {"sad": 0.125, "happy": 0.125}


def test_faces_are_told_apart_and_who_left_comes_first(policy: EventPolicy, make_reading: MakeReading) -> None:
    assert kinds(policy.update(0, [make_reading(1), make_reading(2)])) == [(1, "appear", 1), (2, "appear", 2)]
    assert kinds(policy.update(1, [make_reading(2, "sad"), make_reading(4)])) == [
        (3, "leave", 1), (4, "change", 2), (5, "appear", 4),
    ]  # fmt: skip


def test_a_change_that_comes_too_soon_waits_and_may_be_undone(policy: EventPolicy, make_reading: MakeReading) -> None:
    policy.update(0.0, [make_reading(emotion="sad")])
    assert policy.update(0.1, [make_reading(emotion="happy")]) == []
    assert policy.update(0.15, [make_reading(emotion="sad")]) == []
    assert policy.update(0.18, [make_reading(emotion="happy")]) == []
    assert kinds(policy.update(0.21, [make_reading(emotion="happy")])) == [(2, "change", 1)]


def test_a_jump_of_the_time_line_adds_nothing_but_itself(policy: EventPolicy, make_reading: MakeReading) -> None:
    policy.update(900.0, [make_reading()])
    policy.update(901.0, [make_reading()])
    policy.update(0.0, [make_reading()])  # another film
    policy.update(2.0, [make_reading()])
    (left,) = policy.update(5e6, [])  # the camera is lost, and that is told by another clock
    assert (left.visible_s, left.summary) == (3.0, {"happy": 3.0})
