import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import pytest

from edge_fer.bench.figures import Cpu, Figures, Heat, Latency, Variant
from edge_fer.bench.laps import Spread
from edge_fer.bench.plot import draw_figures
from edge_fer.bench.table import table
from edge_fer.errors import EdgeFerError

if TYPE_CHECKING:
    from tests.bench.conftest import MakeFigures

FIVE = Spread(5.0, 6.0, 6.5, 7.0, 6.25)


def live(figures: Figures) -> Figures:
    return dataclasses.replace(figures, conditions={**figures.conditions, "playback": "live"}, dropped=12)


def test_the_table_of_a_film(make_figures: "MakeFigures") -> None:
    assert table(make_figures()).splitlines() == [
        "board      Raspberry Pi 4 Model B Rev 1.4, 3980 MB, aarch64, Linux 6.6.31",
        "clock      governor ondemand; 50 °C before, 61 °C after; throttled: no",
        "versions   edge-fer 1.0, Python 3.11.2",
        "model      emotion (sha256 ba9876543210), detector yunet",
        "frames     film.mkv (sha256 0123456789ab), 640x480, as fast as possible, 1 thread",
        "",
        "fps        160.0 over 3200 frames in 20.0 s",
        "first face 1.25 s after the program was started",
        "faces      1.00 per frame",
        "memory     90 MB, 95 MB at most",
        "CPU        96 % of one core, 6.00 ms per frame; cores in %: 97 3",
        "overhead   5.0%, 150 us per frame, are neither detector nor classifier",
        "to MQTT    p50 1.00 ms, p90 2.00 ms, p99 3.00 ms,"
        " from the frame's arrival to the network thread, 100 messages",
        "           not measured to a subscriber; broker: none asked for",
        "",
        "stage        p50 ms   p90 ms   p99 ms  ms/frame",
        "capture       1.000    2.000    3.000     1.500",
        "detect        1.000    2.000    3.000     1.500",
        "classify      1.000    2.000    3.000     1.500",
        "all work      5.000    6.000    7.000     6.250",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"time_to_first_reading_s": None}, "first face none seen"),
        ({"seconds": 3.0}, "fps        160.0 over 3200 frames in 3.0 s (shorter than 10 s: take it as a hint only)"),
        (
            {"before": Heat(None, None), "after": Heat(None, None)},
            "clock      governor ondemand; temperature not readable; throttled: not readable",
        ),
        (
            {"after": Heat(82.0, throttled=True)},
            "clock      governor ondemand; 50 °C before, 82 °C after; throttled: no before, THROTTLED after",
        ),
        ({"cpu": Cpu(96.0, ())}, "CPU        96 % of one core, 6.00 ms per frame; cores in %: ?"),
        (
            {"cpu": Cpu(96.0, (97.0, 80.0))},
            "disturbed  other work took 81 % of a core meanwhile; quieten it, measure again",
        ),
        (
            {"latency": Latency(None, None, 0, 0, "none asked for")},
            "to MQTT    nothing was published, from the frame's arrival to the network thread, 0 messages",
        ),
        (
            {"latency": Latency(FIVE, FIVE, 100, 99, "MQTT 5 at h:1883")},
            "           p50 5.00 ms, p90 6.00 ms, p99 7.00 ms, to a subscriber, 99 messages, MQTT 5 at h:1883",
        ),
    ],
)
def test_what_differs_is_told(make_figures: "MakeFigures", changes: dict[str, object], line: str) -> None:
    assert line in table(make_figures(**changes)).splitlines()


def test_a_live_camera_has_headroom(make_figures: "MakeFigures") -> None:
    line = "headroom   the loop could take 160.0 frames/s; 12 frames came too fast and were dropped"
    assert line in table(live(make_figures())).splitlines()


VARIANTS = (
    Variant("threads", "2", 200.0, FIVE, FIVE, Spread(0.5, 1, 1, 1, 0.5), 91.2, 1.5),
    Variant("detector", "haar", problem="model tiny: its card has no crop margin for detector haar"),
)


def test_choices_stand_side_by_side(make_figures: "MakeFigures") -> None:
    assert table(make_figures(variants=VARIANTS)).splitlines()[-4:] == [
        "",
        "side by side              frames/s    p50 ms    p99 ms    detect  classify        MB   first s",
        "threads 2                    200.0     5.000     7.000     5.000     0.500        91      1.50",
        "detector haar             model tiny: its card has no crop margin for detector haar",
    ]


def test_the_picture_is_a_png_with_something_in_it(make_figures: "MakeFigures", tmp_path: Path) -> None:
    draw_figures(make_figures(), tmp_path / "plain.png")
    draw_figures(make_figures(variants=VARIANTS), tmp_path / "variants.png")
    plain, variants = (cv2.imread(str(tmp_path / f"{name}.png")) for name in ("plain", "variants"))
    assert plain is not None
    assert variants is not None
    assert (plain.shape, variants.shape) == ((400, 1000, 3), (700, 1000, 3))
    assert plain.std() > 10


def test_a_picture_that_cannot_be_written_is_named(make_figures: "MakeFigures", tmp_path: Path) -> None:
    path = tmp_path / "missing" / "bench.png"
    with pytest.raises(EdgeFerError, match=f"^{path}: cannot be written: No such file or directory$"):
        draw_figures(make_figures(), path)
