"""Figures whose values a test chooses."""

from collections.abc import Callable
from typing import Any

import pytest

from edge_fer.bench.figures import Cpu, Figures, Heat, Latency, Machine
from edge_fer.bench.laps import Block, Spread

MakeFigures = Callable[..., Figures]

CONDITIONS = {
    "source": "film.mkv (sha256 0123456789ab)",
    "playback": "as fast as possible",
    "resolution": "640x480",
    "threads": "1",
    "model": "emotion (sha256 ba9876543210)",
    "detector": "yunet",
    "board": "Raspberry Pi 4 Model B Rev 1.4",
    "detector.min_score": "0.75",
}


@pytest.fixture
def make_figures() -> MakeFigures:
    """Makes figures; `stages` are means in milliseconds, of every block or of each."""

    def make(blocks: int = 20, stages: dict[str, Any] | None = None, **changes: Any) -> Figures:
        means = {"capture": 1.0, "detect": 4.0, "classify": 1.0} | (stages or {})
        rows = [
            {name: value[number] if isinstance(value, list) else value for name, value in means.items()}
            for number in range(blocks)
        ]
        fixed: dict[str, Any] = {
            "fps": 160.0,
            "time_to_first_reading_s": 1.25,
            "rss_mb": 90.4,
            "peak_rss_mb": 95.0,
            "overhead": 0.05,
            "frames": 3200,
            "seconds": 20.0,
            "dropped": 0,
            "faces": 1.0,
            "stages": {name: Spread(1.0, 2.0, 2.5, 3.0, 1.5) for name in means},
            "work": Spread(5.0, 6.0, 6.5, 7.0, 6.25),
            "latency": Latency(Spread(1.0, 2.0, 2.5, 3.0, 1.5), None, 100, 0, "none asked for"),
            "cpu": Cpu(96.0, (97.0, 3.0)),
            "before": Heat(50.0, throttled=False),
            "after": Heat(61.0, throttled=False),
            "model": {"name": "emotion", "sha256": "ba9876543210" * 5 + "abcd"},
            "detector": "yunet",
            "board": CONDITIONS["board"],
            "machine": Machine(
                "Linux 6.6.31", "aarch64", "ondemand", 4, 3980.0, {"edge-fer": "1.0", "Python": "3.11.2"}
            ),
            "conditions": CONDITIONS,
            "made_at": "2026-01-31T12:00:00+00:00",
            "blocks": tuple(Block(1000 / sum(row.values()), 0.5 * sum(row.values()), row) for row in rows),
        }
        return Figures(**fixed | changes)

    return make
