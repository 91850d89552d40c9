from edge_fer.stages import BUCKETS_S, REMEMBERED, Histogram, Percentiles, Stopwatch
from tests.clocks import NanosecondClock


def frame(watch: Stopwatch, clock: NanosecondClock, *laps: tuple[str, int]) -> None:
    clock.now_ns += 500  # waiting for it
    watch.start()
    for stage, spent_ms in laps:
        clock.now_ns += spent_ms * 1_000_000
        watch.lap(stage)


def test_laps_are_booked_under_their_stage_and_waiting_under_none() -> None:
    clock = NanosecondClock()
    watch = Stopwatch(clock)
    frame(watch, clock, ("detect", 1), ("classify", 3))
    frame(watch, clock, ("detect", 2))
    assert watch.total_ns == {"detect": 3_000_000, "classify": 3_000_000}
    assert watch.percentiles()["classify"] == Percentiles(3.0, 3.0, 3.0, 3.0)
    assert watch.percentiles()["detect"].p50_ms == 1.5


def test_the_faces_of_a_frame_are_added_up() -> None:
    clock = NanosecondClock()
    watch = Stopwatch(clock)
    frame(watch, clock, ("crop", 1), ("classify", 8), ("crop", 1), ("classify", 8))
    frame(watch, clock, ("crop", 2), ("classify", 16))
    assert {stage: spent.p50_ms for stage, spent in watch.percentiles().items()} == {"crop": 2.0, "classify": 16.0}
    counts = dict.fromkeys(BUCKETS_S, 0) | {0.02: 2}
    assert watch.histograms()["classify"] == Histogram((*counts.values(), 0), 0.032)


def test_stages_stand_in_the_order_of_a_frames_way_whatever_ran_first() -> None:
    clock = NanosecondClock()
    watch = Stopwatch(clock)
    frame(watch, clock, ("detect", 1), ("juggle", 1), ("publish", 1))
    frame(watch, clock, ("detect", 1), ("crop", 1), ("classify", 1), ("publish", 1))
    assert list(watch.percentiles()) == ["detect", "crop", "classify", "publish", "juggle"]


def test_only_the_latest_frames_are_remembered() -> None:
    clock = NanosecondClock()
    watch = Stopwatch(clock)
    for i in range(2 * REMEMBERED):
        frame(watch, clock, ("detect", 9 if i < REMEMBERED else 1))
    assert watch.percentiles() == {"detect": Percentiles(1.0, 1.0, 1.0, 1.0)}


def test_every_lap_is_in_a_bucket_for_ever() -> None:
    clock = NanosecondClock()
    watch = Stopwatch(clock)
    for _ in range(2 * REMEMBERED):
        frame(watch, clock, ("detect", 1))
    for spent_ns in (1_000_001, 5_000_000_000):
        watch.start()
        clock.now_ns += spent_ns
        watch.lap("detect")
    counts = dict.fromkeys(BUCKETS_S, 0) | {0.001: 2 * REMEMBERED, 0.002: 1}
    assert watch.histograms() == {"detect": Histogram((*counts.values(), 1), 7.049000001)}
