from edge_fer.stages import BUCKETS_S, REMEMBERED, Histogram, Percentiles, Stopwatch


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


def test_laps_are_booked_under_their_stage_and_waiting_under_none() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    clock.now_ns = 500  # waiting for a frame
    watch.start()
    for spent_ns, stage in ((1_000_000, "detect"), (3_000_000, "classify"), (2_000_000, "detect")):
        clock.now_ns += spent_ns
        watch.lap(stage)
    assert watch.total_ns == {"detect": 3_000_000, "classify": 3_000_000}
    assert watch.percentiles()["classify"] == Percentiles(3.0, 3.0, 3.0, 3.0)
    assert watch.percentiles()["detect"].p50_ms == 1.5


def test_only_the_latest_laps_are_remembered() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    for i in range(2 * REMEMBERED):
        clock.now_ns += 9_000_000 if i < REMEMBERED else 1_000_000
        watch.lap("detect")
    assert watch.percentiles() == {"detect": Percentiles(1.0, 1.0, 1.0, 1.0)}


def test_every_lap_is_in_a_bucket_for_ever() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    for _ in range(2 * REMEMBERED):
        clock.now_ns += 1_000_000
        watch.lap("detect")
    for spent_ns in (1_000_001, 5_000_000_000):
        clock.now_ns += spent_ns
        watch.lap("detect")
    counts = dict.fromkeys(BUCKETS_S, 0) | {0.001: 2 * REMEMBERED, 0.002: 1}
    assert watch.histograms() == {"detect": Histogram((*counts.values(), 1), 7.049000001)}
