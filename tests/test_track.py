import itertools

import numpy as np

from edge_fer.records import Box, Face, Frame, Track
from edge_fer.track import Tracker

PIXELS = np.zeros((2, 2), np.uint8)


def update(tracker: Tracker, time_s: float, *boxes: Box) -> list[Track]:
    return tracker.update(Frame(PIXELS, time_s, 0), [Face(box, 0.8) for box in boxes])


def test_a_moving_face_keeps_its_id() -> None:
    tracker = Tracker(min_hits=1)
    assert update(tracker, 0.0, Box(0, 0, 10, 10)) == [Track(1, Box(0, 0, 10, 10), age_s=0.0)]
    assert update(tracker, 0.1, Box(3, 0, 10, 10)) == [Track(1, Box(3, 0, 10, 10), age_s=0.1)]


def test_a_face_too_fast_to_overlap_is_matched_by_distance() -> None:
    tracker = Tracker(min_hits=1)
    update(tracker, 0.0, Box(0, 0, 10, 10))
    assert [t.id for t in update(tracker, 0.1, Box(9.5, 0, 10, 10))] == [1]


def test_a_track_is_tilted_as_its_face_was_last() -> None:
    tracker = Tracker(min_hits=1)
    tilted = Face(Box(0, 0, 10, 10), 0.8, ((3, 3), (7, 7), (4, 6), (1, 6), (4, 9)))
    [track] = tracker.update(Frame(PIXELS, 0.0, 0), [tilted])
    assert track.roll_deg == tilted.roll_deg > 40
    assert [t.roll_deg for t in tracker.update(Frame(PIXELS, 0.1, 1), [])] == [tilted.roll_deg]
    assert [t.roll_deg for t in update(tracker, 0.2, Box(0, 0, 10, 10))] == [0.0]


def test_a_far_or_quite_different_face_is_another() -> None:
    tracker = Tracker(min_hits=1)
    update(tracker, 0.0, Box(0, 0, 10, 10))
    tracks = update(tracker, 0.1, Box(30, 0, 10, 10))
    assert [(t.id, t.seen) for t in tracks] == [(1, False), (2, True)]
    tracks = update(tracker, 0.2, Box(20, 0, 31, 31))
    assert [(t.id, t.seen) for t in tracks] == [(1, False), (2, False), (3, True)]


def test_a_short_miss_is_bridged_and_a_long_one_ends_the_track() -> None:
    tracker = Tracker(min_hits=1, memory_s=0.5)
    box = Box(0, 0, 10, 10)
    update(tracker, 0.0, box)
    assert update(tracker, 0.4) == [Track(1, box, age_s=0.4, seen=False)]
    assert update(tracker, 0.5, box) == [Track(1, box, age_s=0.5)]
    assert update(tracker, 1.1) == []
    assert [t.id for t in update(tracker, 1.2, box)] == [2]


def test_two_faces_keep_their_ids_when_the_detector_swaps_their_order() -> None:
    tracker = Tracker(min_hits=1)
    left, right = Box(0, 0, 10, 10), Box(50, 0, 10, 10)
    update(tracker, 0.0, left, right)
    assert [(t.id, t.box) for t in update(tracker, 0.1, right, left)] == [(1, left), (2, right)]


def test_overlap_goes_before_distance_and_the_best_overlap_first() -> None:
    tracker = Tracker(min_hits=1)
    update(tracker, 0.0, Box(0, 0, 10, 10), Box(6, 0, 10, 10))
    tracks = update(tracker, 0.1, Box(5, 0, 10, 10), Box(-2, 0, 10, 10))
    assert [(t.id, t.box.x) for t in tracks] == [(1, -2), (2, 5)]


def test_a_face_becomes_a_track_once_it_was_found_often_enough() -> None:
    tracker = Tracker(min_hits=3)
    box = Box(0, 0, 10, 10)
    assert update(tracker, 0.0, box) == []
    assert update(tracker, 0.1, box) == []
    assert update(tracker, 0.2, box) == [Track(1, box, age_s=0.2)]


def test_a_miss_before_that_begins_the_count_anew_and_takes_no_id() -> None:
    tracker = Tracker(min_hits=2)
    hand, face = Box(50, 50, 10, 10), Box(0, 0, 10, 10)
    assert update(tracker, 0.0, hand) == []
    assert update(tracker, 0.1) == []
    assert update(tracker, 0.2, hand) == []
    assert update(tracker, 0.3, face) == []
    assert [(t.id, t.box) for t in update(tracker, 0.4, face)] == [(1, face)]


def test_a_face_that_is_sure_is_a_track_at_once() -> None:
    tracker = Tracker(min_hits=3, sure_score=0.9)
    faces = [Face(Box(0, 0, 10, 10), 0.9), Face(Box(50, 0, 10, 10), 0.89)]
    assert tracker.update(Frame(PIXELS, 0.0, 0), faces) == [Track(1, Box(0, 0, 10, 10), age_s=0.0)]


def test_trackers_of_one_run_share_their_ids() -> None:
    ids = itertools.count(1)
    for expected in (1, 2):
        assert [t.id for t in update(Tracker(min_hits=1, ids=ids), 0.0, Box(0, 0, 10, 10))] == [expected]
