"""Readings and reports to publish."""

from collections.abc import Callable
from typing import TypeAlias

import pytest

from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import LABELS, Reading
from edge_fer.stages import Percentiles

MakeReading: TypeAlias = Callable[..., Reading]


@pytest.fixture
def make_reading() -> MakeReading:
    """A reading of one face with 0.7 on its emotion; `width` and height are in fractions of the frame."""

    def make(track: int = 1, emotion: str = "happy", width: float = 0.2, confidence: float = 0.7) -> Reading:
        rest = (1 - confidence) / (len(LABELS) - 1)
        scores = {label: confidence if label == emotion else rest for label in LABELS}
        if emotion not in LABELS:
            scores = dict.fromkeys(LABELS, 1 / len(LABELS))
        return Reading(12.5, track, emotion, confidence, scores, (0.1, 0.2, width, width), 2.4)

    return make


@pytest.fixture
def info() -> Info:
    return Info(
        version="0.1.0",
        model_name="emotion",
        model_sha256="ab" * 32,
        labels=LABELS,
        camera="rtsp://camera.local:554/stream1",
        detector="yunet",
        started_at_s=1769860682.0,
        config_digest="c0ffee",
    )


@pytest.fixture
def report() -> HealthReport:
    stages = {
        "detect": Percentiles(p50_ms=21.2999, p90_ms=24.0, p95_ms=25.0, p99_ms=31.75),
        "classify": Percentiles(p50_ms=0.9, p90_ms=1.0, p95_ms=1.1, p99_ms=1.8),
    }
    return HealthReport(
        fps=14.987, stages=stages, dropped_frames=12, camera_reconnects=1, rss_mb=91.44, temperature_c=54.21
    )
