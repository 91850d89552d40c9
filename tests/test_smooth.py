import math

import pytest

from edge_fer.records import UNCERTAIN, Box, Emotion, Reading, Track
from edge_fer.smooth import Smoother

LABELS = ("happy", "sad", "neutral")
HAPPY, SAD, MIXED = (0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.4, 0.3, 0.3)
BOX = Box(10, 20, 40, 50)


def smoother(**options: float) -> Smoother:
    settings = {"time_constant_s": 1.0, "enter_confidence": 0.5, "leave_confidence": 0.35, "dwell_s": 0.3}
    return Smoother(LABELS, **{**settings, **options})


def update(smooth: Smoother, time_s: float, scores: tuple[float, ...] | None, track: int = 1) -> Reading:
    emotions = [Emotion(track, scores)] if scores else []
    [reading] = smooth.update(time_s, [Track(track, BOX, 0.0, seen=scores is not None)], emotions, (100, 200))
    return reading


def test_a_step_is_63_percent_there_after_one_time_constant_at_any_frame_rate() -> None:
    for frames in (1, 10, 100):
        smooth = smoother(time_constant_s=2.0)
        update(smooth, 0.0, HAPPY)
        for i in range(frames):
            reading = update(smooth, 2.0 * (i + 1) / frames, SAD)
        assert reading.scores["sad"] == pytest.approx(0.8 - 0.7 * math.exp(-1))
        assert sum(reading.scores.values()) == pytest.approx(1.0)


def test_an_emotion_is_uncertain_until_it_has_lasted() -> None:
    smooth = smoother()
    assert (update(smooth, 0.0, HAPPY).emotion, update(smooth, 0.1, HAPPY).emotion) == (UNCERTAIN, UNCERTAIN)
    # The candidate dates from the first frame.
    reading = update(smooth, 0.3, HAPPY)
    assert (reading.emotion, reading.for_s) == ("happy", 0.0)
    assert reading.confidence == pytest.approx(0.8)
    assert update(smooth, 1.0, HAPPY).for_s == pytest.approx(0.7)


def test_a_single_odd_frame_changes_nothing() -> None:
    smooth = smoother()
    for i in range(10):
        update(smooth, i / 10, HAPPY)
    assert update(smooth, 1.0, SAD).emotion == "happy"


def test_hysteresis_keeps_an_emotion_between_the_thresholds() -> None:
    smooth = smoother(time_constant_s=0.001)
    update(smooth, 0.0, HAPPY)
    update(smooth, 1.0, HAPPY)
    assert update(smooth, 2.0, MIXED).emotion == "happy"  # .4: below enter, above leave
    assert update(smooth, 9.0, MIXED).emotion == "happy"
    weak = (0.34, 0.33, 0.33)
    assert update(smooth, 10.0, weak).emotion == "happy"  # dwell
    reading = update(smooth, 10.4, weak)
    assert reading.emotion == UNCERTAIN
    assert reading.confidence == pytest.approx(0.34)


def test_a_fresh_face_between_the_thresholds_stays_uncertain() -> None:
    smooth = smoother()
    update(smooth, 0.0, MIXED)
    assert update(smooth, 5.0, MIXED).emotion == UNCERTAIN


def test_a_change_that_does_not_last_is_not_reported() -> None:
    smooth = smoother(time_constant_s=0.001)
    update(smooth, 0.0, HAPPY)
    update(smooth, 1.0, HAPPY)
    assert update(smooth, 1.1, SAD).emotion == "happy"
    assert update(smooth, 1.3, HAPPY).emotion == "happy"
    assert update(smooth, 1.5, SAD).emotion == "happy"  # the dwell begins anew
    assert update(smooth, 1.8, SAD).emotion == "sad"


def test_a_missed_face_keeps_its_scores() -> None:
    smooth = smoother()
    update(smooth, 0.0, HAPPY)
    assert update(smooth, 0.4, None).scores["happy"] == 0.8


def test_the_state_ends_with_the_track() -> None:
    smooth = smoother()
    update(smooth, 0.0, HAPPY)
    update(smooth, 1.0, HAPPY)
    assert smooth.update(1.1, [], [], (100, 200)) == []
    assert update(smooth, 1.2, SAD).scores["sad"] == 0.8


def test_a_track_never_classified_has_no_reading() -> None:
    assert smoother().update(0.0, [Track(1, BOX, 0.0)], [], (100, 200)) == []


def test_time_that_stands_still_or_goes_back_does_no_harm() -> None:
    smooth = smoother()
    update(smooth, 5.0, HAPPY)
    assert update(smooth, 5.0, SAD).scores["happy"] == 0.8
    assert update(smooth, 4.0, SAD).scores["happy"] == 0.8


def test_the_box_comes_in_fractions_cut_off_at_the_border() -> None:
    smooth = smoother()
    assert update(smooth, 0.0, HAPPY).box == pytest.approx((0.05, 0.2, 0.2, 0.5))
    track = Track(2, Box(-20, 80, 60, 40), 0.0)
    [reading] = smooth.update(0.0, [track], [Emotion(2, HAPPY)], (100, 200))
    assert reading.box == pytest.approx((0.0, 0.8, 0.2, 0.2))


def test_a_face_judged_now_and_then_is_averaged_over_the_same_seconds() -> None:
    """Between two judgements the later one is taken to have held, so that their rhythm does not matter."""
    for judged_s in ((2.0,), (0.1, 1.9, 2.0), (0.03, 0.5, 0.6, 1.2, 2.0)):
        smooth = smoother(time_constant_s=2.0)
        update(smooth, 0.0, HAPPY)
        for frame in range(1, 201):
            reading = update(smooth, frame / 100, SAD if frame / 100 in judged_s else None)
        assert reading.scores["sad"] == pytest.approx(0.8 - 0.7 * math.exp(-1))
