"""`/metrics`: what Prometheus asks for, made of the feed's newest word. The only importer of its client."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from edge_fer import __version__
from edge_fer.stages import BUCKETS_S
from edge_fer.web.feed import Feed, Snapshot

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
BOUNDS: Final = (*(str(bound) for bound in BUCKETS_S), "+Inf")

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily


class Exposition:
    """The metrics of one page."""

    def __init__(self, feed: Feed) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_FeedCollector(feed))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)


class _FeedCollector(Collector):
    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def describe(self) -> list[Family]:
        return []  # nothing is known before the loop's first word

    def collect(self) -> Iterator[Family]:
        yield CounterMetricFamily(
            "edge_fer_pictures_encoded", "Pictures that were made for the live page.", value=self._feed.encoded
        )
        if (snapshot := self._feed.newest) is not None:
            yield from _of_snapshot(snapshot)


def _of_snapshot(snapshot: Snapshot) -> Iterator[Family]:
    status = snapshot.status
    totals = status.totals
    info = {"version": __version__, "model": status.model, "detector": status.detector, "device": status.device}
    yield InfoMetricFamily("edge_fer", "What runs here.", value=info)
    yield CounterMetricFamily("edge_fer_frames", "Frames that were judged.", value=totals.frames)
    yield CounterMetricFamily(
        "edge_fer_frames_dropped", "Frames that came while an earlier one was judged.", value=totals.dropped
    )
    yield CounterMetricFamily("edge_fer_camera_reconnects", "How often the camera came back.", value=totals.reconnects)
    yield GaugeMetricFamily("edge_fer_frames_per_second", "Frames judged per second, lately.", value=status.fps)
    yield GaugeMetricFamily("edge_fer_faces", "Faces in sight.", value=len(snapshot.readings))
    yield GaugeMetricFamily("edge_fer_camera_online", "1 while the camera gives pictures.", value=status.camera_online)
    yield GaugeMetricFamily("edge_fer_paused", "1 while the camera is released on request.", value=status.paused)
    if status.broker_online is not None:
        yield GaugeMetricFamily("edge_fer_broker_online", "1 while the broker is there.", value=status.broker_online)
    if status.temperature_c is not None:
        yield GaugeMetricFamily("edge_fer_temperature_celsius", "Of the processor.", value=status.temperature_c)
    stages = HistogramMetricFamily("edge_fer_stage_seconds", "Time of each stage of a frame.", labels=["stage"])
    for stage, spent in totals.stages.items():
        stages.add_metric([stage], list(zip(BOUNDS, accumulate(spent.counts), strict=True)), sum_value=spent.sum_s)
    yield stages
