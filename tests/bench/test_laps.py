import numpy as np
import pytest

from edge_fer.bench.laps import Block, FrameWatch, Laps, Spread
from edge_fer.stages import Stopwatch
from tests.clocks import NanosecondClock

MS = 1_000_000


class Script:
    """Books frames whose stages take what the test says, in milliseconds."""

    def __init__(self) -> None:
        self.clock = NanosecondClock()
        self.watch = FrameWatch(self.clock, cpu_ns=lambda: self.clock.now_ns // 2)

    def frame(self, **stages_ms: float) -> None:
        self.watch.start()
        for stage, spent_ms in stages_ms.items():
            self.clock.now_ns += round(spent_ms * MS)
            self.watch.lap(stage)
        self.watch.end_frame()

    @property
    def laps(self) -> Laps:
        return Laps(self.watch)


def test_percentiles_are_those_of_a_known_row() -> None:
    spread = Spread.of(np.arange(1, 102) * MS, frames=101)  # 1 to 101 ms
    assert spread == Spread(p50_ms=51.0, p90_ms=91.0, p95_ms=96.0, p99_ms=100.0, mean_ms=51.0)


def test_every_frame_counts_not_only_the_latest() -> None:
    script = Script()
    for _ in range(3000):
        script.frame(detect=8)
    for _ in range(2999):
        script.frame(detect=2)
    assert script.laps.frames == 5999
    assert script.laps.stages()["detect"].p50_ms == 8.0


def test_a_stage_that_runs_seldom_has_percentiles_of_its_own_runs_and_a_mean_per_frame() -> None:
    script = Script()
    for number in range(10):
        script.frame(**({"capture": 1, "classify": 10} if number % 5 == 4 else {"capture": 1}))
    assert script.laps.stages()["classify"] == Spread(10.0, 10.0, 10.0, 10.0, mean_ms=2.0)
    assert script.laps.work(live=False).mean_ms == 3.0
    assert script.laps.work(live=True) == Spread(0.0, 10.0, 10.0, 10.0, mean_ms=2.0)


def test_laps_of_one_stage_in_one_frame_are_added_up() -> None:
    script = Script()
    script.watch.start()
    for stage in ("crop", "classify", "crop", "classify"):
        script.clock.now_ns += 3 * MS
        script.watch.lap(stage)
    script.watch.end_frame()
    assert {name: spread.p50_ms for name, spread in script.laps.stages().items()} == {"crop": 6.0, "classify": 6.0}


def test_stages_stand_in_the_order_of_the_frame_path_and_strangers_last() -> None:
    script = Script()
    script.frame(detect=1, extra=1, publish=1)
    script.frame(capture=1, classify=1)
    assert list(script.laps.stages()) == ["capture", "detect", "classify", "publish", "extra"]


def test_the_warm_up_is_forgotten() -> None:
    script = Script()
    script.frame(detect=100)
    script.watch.forget()
    script.frame(detect=5)
    assert (script.laps.frames, script.laps.stages()["detect"].p99_ms) == (1, 5.0)


def test_it_books_what_the_daemons_own_stopwatch_books() -> None:
    script = Script()
    plain = Stopwatch(script.clock)
    script.watch.start()
    plain.start()
    script.clock.now_ns += 7 * MS
    script.watch.lap("detect")
    plain.lap("detect")
    assert script.watch.percentiles() == plain.percentiles()


def test_blocks_are_equal_parts_of_the_time() -> None:
    script = Script()
    for _ in range(4):
        script.frame(detect=250)  # the first second: four frames
    script.frame(detect=400, classify=600)  # the second: one
    assert script.laps.blocks(2) == (
        Block(4.0, 125.0, {"detect": 250.0, "classify": 0.0}),
        Block(1.0, 500.0, {"detect": 400.0, "classify": 600.0}),
    )
    assert script.laps.seconds == 2.0


def test_a_block_without_a_frame_is_left_out() -> None:
    script = Script()
    script.frame(detect=100)
    script.frame(detect=1900)
    assert [block.fps for block in script.laps.blocks(4)] == pytest.approx([2.0, 2.0])
