import pytest

from edge_fer.records import LABELS, Reading
from edge_fer.web.history import SPAN_S, STEP_S, History


def reading(track: int, happy: float) -> Reading:
    scores = dict.fromkeys(LABELS, (1 - happy) / 6) | {"happy": happy}
    return Reading(0.0, track, "happy", happy, scores, (0, 0, 1, 1), 1.0)


def test_faces_are_sampled_at_a_steady_pace() -> None:
    history = History()
    for frame in range(60):  # two seconds of 30 frames a second
        history.add(100 + frame / 30, [reading(3, frame / 100)])
    [face] = history.as_json(102.0)
    assert (face["track"], face["age_s"]) == (3, [2.0, 1.5, 1.0, 0.5])
    assert face["scores"]["happy"] == [0.0, 0.15, 0.3, 0.45]
    assert list(face["scores"]) == list(LABELS)


def test_faces_come_and_go() -> None:
    history = History()
    history.add(10.0, [reading(1, 0.5)])
    history.add(11.0, [reading(1, 0.5), reading(2, 0.5)])
    history.add(12.0, [])
    history.add(13.0, [reading(2, 0.5)])
    assert [(face["track"], face["age_s"]) for face in history.as_json(13.0)] == [(1, [3.0, 2.0]), (2, [2.0, 0.0])]


@pytest.mark.parametrize("seen_s", [SPAN_S, 10 * SPAN_S])
def test_the_past_is_bounded(seen_s: float) -> None:
    history = History()
    for tick in range(int(seen_s * 2)):
        history.add(tick * STEP_S, [reading(1, 0.5)])
    [face] = history.as_json(seen_s)
    assert len(face["age_s"]) <= SPAN_S / STEP_S
    assert face["age_s"][0] < SPAN_S
    assert history.as_json(seen_s + SPAN_S) == []
