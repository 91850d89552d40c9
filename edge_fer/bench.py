"""`edge-fer bench`: the daemon's own loop, timed, without a broker.

A warm-up, then a window of time in which every frame is timed stage by stage; percentiles rather than means, after
MLPerf Inference's single-stream scenario (Reddi et al., ISCA 2020).
"""

import dataclasses
import io
import json
import time
from pathlib import Path
from typing import Final, TextIO

from edge_fer.atomic import write_atomically
from edge_fer.board import model_name, resident_mb
from edge_fer.camera import Capture, EndOfStream, capture_from
from edge_fer.config import Config
from edge_fer.errors import CameraError
from edge_fer.pipeline import Pipeline, open_pipeline
from edge_fer.publish.sinks import StdoutSink
from edge_fer.stages import Percentiles, Stopwatch

WARM_UP_FRAMES: Final = 10
WAIT_S: Final = 1.0
OWN_WORK: Final = ("detect", "classify")
"""The stages in which the networks run; the rest of the loop is what edge-fer adds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        fps: frames per second, decoding included.
        time_to_first_reading_s: from the start of loading to the first face's reading; None if no face was seen.
        rss_mb: resident memory at the end, in MB (1e6 bytes).
        overhead: share of the loop's time, waiting for the camera aside, that neither detector nor classifier took.
        frames: how many were measured.
        stages: by stage, percentiles of its time.
        model: name and sha256.
        detector: its name.
        board: what ran it.
    """

    fps: float
    time_to_first_reading_s: float | None
    rss_mb: float
    overhead: float
    frames: int
    stages: dict[str, Percentiles]
    model: dict[str, str]
    detector: str
    board: str


def run_bench(config: Config, out: TextIO, *, seconds: float, json_file: Path | None) -> int:
    """Measure, print a table, write the figures to a file if one is named.

    Raises:
        EdgeFerError: a part of the configuration cannot be used, or the file cannot be written.
    """
    figures = measure(config, seconds=seconds)
    print(_table(figures), file=out)
    if json_file is not None:
        write_atomically(json_file, (json.dumps(dataclasses.asdict(figures), indent=2) + "\n").encode())
    return 0


def measure(config: Config, *, seconds: float) -> Figures:
    """Run the configured camera through the loop for some seconds, or to the film's end.

    Raises:
        EdgeFerError: a part of the configuration cannot be used, or no frame came.
    """
    began_s = time.perf_counter()
    pipeline, capture = open_pipeline(config), capture_from(config.camera)
    sink = StdoutSink(stream=io.StringIO(), rate_hz=config.mqtt.rate_hz)
    patience_s = config.camera.open_timeout_s + config.camera.stall_timeout_s
    first_reading_s: float | None = None
    frames, window_began_s = 0, began_s
    try:
        while frames <= WARM_UP_FRAMES or time.perf_counter() - window_began_s < seconds:
            try:
                spoke = _turn(pipeline, capture, sink, patience_s)
            except EndOfStream:
                break
            if spoke and first_reading_s is None:
                first_reading_s = time.perf_counter() - began_s
            frames += 1
            if frames == WARM_UP_FRAMES:
                pipeline.watch = Stopwatch()
                window_began_s = time.perf_counter()
        window_s = time.perf_counter() - window_began_s
    finally:
        capture.stop()
    measured = frames - WARM_UP_FRAMES
    if measured <= 0:
        raise CameraError(
            f"{capture.name}: {frames} frames are too few to measure; more than {WARM_UP_FRAMES} are needed"
        )
    return Figures(
        fps=measured / window_s,
        time_to_first_reading_s=first_reading_s,
        rss_mb=resident_mb(),
        overhead=_overhead(pipeline.watch),
        frames=measured,
        stages=pipeline.watch.percentiles(),
        model={"name": pipeline.card.name, "sha256": pipeline.card.sha256},
        detector=pipeline.detector.name,
        board=model_name(),
    )


def _turn(pipeline: Pipeline, capture: Capture, sink: StdoutSink, patience_s: float) -> bool:
    """One frame through the loop; whether it had a reading.

    Raises:
        CameraError: no frame comes.
        EndOfStream: the film is over.
    """
    pipeline.watch.start()
    deadline_s = time.monotonic() + patience_s
    while (frame := capture.next(WAIT_S)) is None:
        if time.monotonic() > deadline_s:
            raise CameraError(f"{capture.name}: gave no frame for {patience_s:g} s")
    pipeline.watch.lap("capture")
    readings = pipeline.process(frame)
    sink.publish(frame.time_s, readings)
    pipeline.watch.lap("publish")
    return bool(readings)


def _overhead(watch: Stopwatch) -> float:
    work_ns = sum(spent_ns for stage, spent_ns in watch.total_ns.items() if stage != "capture")
    return 1 - sum(watch.total_ns[stage] for stage in OWN_WORK) / work_ns


def _table(figures: Figures) -> str:
    first_s = figures.time_to_first_reading_s
    lines = [
        f"board      {figures.board}",
        f"model      {figures.model['name']} {figures.model['sha256'][:12]}, detector {figures.detector}",
        f"frames/s   {figures.fps:.1f} over {figures.frames} frames",
        f"first face {'none seen' if first_s is None else f'{first_s:.2f} s after the start'}",
        f"memory     {figures.rss_mb:.0f} MB",
        f"overhead   {figures.overhead:.1%} of the loop is neither detector nor classifier",
        "",
        f"{'stage':10}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}",
    ]
    for stage, spent in figures.stages.items():
        lines.append(f"{stage:10}{spent.p50_ms:9.3f}{spent.p90_ms:9.3f}{spent.p99_ms:9.3f}")
    return "\n".join(lines)
