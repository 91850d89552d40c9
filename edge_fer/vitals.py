"""How the daemon does: frame rate, latency, memory; for the health topic and the live page."""

from edge_fer.assembly import Assembly
from edge_fer.board import resident_mb, strain, temperature_c
from edge_fer.publish.policy import Every
from edge_fer.publish.reports import HealthReport
from edge_fer.records import Frame, Reading
from edge_fer.web import Status, Totals

STATUS_S = 1.0
"""Seconds between two computations of the live page's figures."""


class Vitals:
    """Watches an assembly run and tells its sinks and its page.

    Args:
        assembly: what is watched.
        now_s: monotonic seconds.
    """

    def __init__(self, assembly: Assembly, now_s: float) -> None:
        self._assembly = assembly
        self._health_due = Every(assembly.config.mqtt.health_s)
        self._health_due(now_s)  # the first report has something to tell one period from now
        self._status_due = Every(STATUS_S)
        self._health_rate = _Rate(now_s)
        self._status_rate = _Rate(now_s)
        self._status: Status | None = None
        self._readings: list[Reading] = []
        self._frames = 0

    def hurry(self) -> None:
        """Report health with the next turn."""
        self._health_due = Every(self._assembly.config.mqtt.health_s)

    def turn(self, now_s: float, frame: Frame | None, readings: list[Reading], *, paused: bool) -> None:
        """Take note of one turn of the loop, and report what is due."""
        if frame is not None:
            self._health_rate.frames += 1
            self._status_rate.frames += 1
            self._frames += 1
        if self._health_due(now_s):
            self._assembly.sinks.health(self._health(now_s))
        page = self._assembly.page
        if page is None:
            return
        camera = self._assembly.capture.state
        told = self._status and (self._status.camera_online, self._status.paused)
        renewed = self._status_due(now_s) or told != (camera.online, paused)
        if self._status is None or renewed:
            self._status = self._make_status(now_s, paused=paused)
        waiting = camera.online and now_s < camera.due_s
        if frame is not None or not camera.online:
            self._readings = readings
        if frame is not None or not camera.online or (waiting and renewed):
            page.update(frame, self._readings, self._status)

    def _health(self, now_s: float) -> HealthReport:
        camera, seen = self._assembly.camera_state, strain()
        return HealthReport(
            fps=self._health_rate.take(now_s),
            stages=self._assembly.pipeline.watch.percentiles(),
            dropped_frames=camera.dropped,
            camera_reconnects=camera.reconnects,
            rss_mb=resident_mb(),
            temperature_c=seen.temperature_c,
            throttled=seen.throttled,
            under_voltage=seen.under_voltage,
        )

    def _make_status(self, now_s: float, *, paused: bool) -> Status:
        assembly = self._assembly
        camera = assembly.camera_state
        mqtt = assembly.config.mqtt
        return Status(
            device=assembly.config.device_name,
            fps=self._status_rate.take(now_s),
            latency_ms={stage: spent.p50_ms for stage, spent in assembly.pipeline.watch.percentiles().items()},
            camera=camera.name,
            camera_online=camera.online,
            camera_error=camera.error,
            paused=paused,
            broker=f"{mqtt.host}:{mqtt.port}",
            broker_online=assembly.mqtt.link.connected if assembly.mqtt is not None else None,
            model=assembly.pipeline.card.name,
            detector=assembly.pipeline.detector.name,
            temperature_c=temperature_c(),
            totals=Totals(
                frames=self._frames,
                dropped=camera.dropped,
                reconnects=camera.reconnects,
                stages=assembly.pipeline.watch.histograms(),
            ),
        )


class _Rate:
    """Frames per second since the last look."""

    def __init__(self, now_s: float) -> None:
        self.frames = 0
        self._since_s = now_s

    def take(self, now_s: float) -> float:
        rate = self.frames / max(now_s - self._since_s, 1e-9)
        self.frames, self._since_s = 0, now_s
        return rate
