"""What `edge-fer bench` does: measure, set side by side, print, write, draw, compare."""

import dataclasses
import importlib
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO, get_args

from edge_fer.bench.compare import compare, comparison_table, disturbance, refuse_unlike
from edge_fer.bench.delivery import Delivery
from edge_fer.bench.figures import Figures, read_figures, write_figures
from edge_fer.bench.machine import process_age_s
from edge_fer.bench.measure import Bench, figures, run_window
from edge_fer.bench.operators import Cut, cut_network, operator_table, profile_operators
from edge_fer.bench.setup import SourceKind, conditions, open_origin
from edge_fer.bench.table import table
from edge_fer.bench.variants import Choices, Way, side_by_side
from edge_fer.card import find_model, load_model_files, shipped_models
from edge_fer.config import Config, DetectorConfig
from edge_fer.errors import ConfigError, ModelError
from edge_fer.model_files import YUNET, installed_path
from edge_fer.pipeline import open_pipeline
from edge_fer.records import Frame

THREADS: Final = (1, 2, 4)


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for.

    Attributes:
        source: where the frames come from, see `open_origin`.
        faces: in the synthetic scene.
        seconds: length of the window.
        threads: numbers of threads to set side by side; empty: 1, 2 and 4, as far as there are cores; None: not at all.
        detectors: kinds likewise; empty: all that are installed.
        models: names or paths likewise; empty: all that ship.
        operators: whether to profile the model's operators.
        json_file: where the figures go.
        plot: where their picture goes.
        against: an earlier run's figures.
    """

    source: SourceKind = "camera"
    faces: int = 1
    seconds: float = 30.0
    threads: tuple[int, ...] | None = None
    detectors: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    operators: bool = False
    json_file: Path | None = None
    plot: Path | None = None
    against: Path | None = None


def run_bench(config: Config, out: TextIO, wanted: Wanted) -> int:
    """Do all that was asked for, and print what was found.

    Raises:
        ConfigError: there is no such detector or model, or no folder for a file; before anything is measured.
        EdgeFerError: a part of the configuration cannot be used, a file cannot be written, or `against` cannot be
            compared with this run, which is known before the window begins.
    """
    problems = list(_problems(wanted))
    if problems:
        raise ConfigError(*problems)
    if wanted.plot is not None:
        importlib.import_module("edge_fer.bench.plot")  # an extra; miss it before half a minute is gone
    cuts = _cuts(config) if wanted.operators else []
    old = None if wanted.against is None else read_figures(wanted.against)
    found = measure(config, wanted, old)
    choices, way = _choices(config, wanted), Way(wanted.source, wanted.faces, wanted.seconds)
    found = dataclasses.replace(found, variants=tuple(side_by_side(config, choices, way, detector=found.detector)))
    print(table(found), file=out)
    if wanted.json_file is not None:
        write_figures(found, wanted.json_file)
    if wanted.plot is not None:
        from edge_fer.bench.plot import draw_figures  # noqa: PLC0415 - likewise

        draw_figures(found, wanted.plot)
    if old is not None:
        print(f"\n{comparison_table(compare(old, found), disturbance(old, found))}", file=out)
    if cuts:
        print(f"\n{operator_table(profile_operators(cuts, threads=config.threads))}", file=out)
    return 0


def measure(config: Config, wanted: Wanted, old: Figures | None = None) -> Figures:
    """The configured pipeline, timed.

    Args:
        config: what to run.
        wanted: how.
        old: the run with which it will be compared.

    Raises:
        EdgeFerError: a part cannot be used, no frame came, or the run would be unlike the old one.
    """
    started_ns = time.monotonic_ns() - round(process_age_s() * 1e9)
    with tempfile.TemporaryDirectory(prefix="edge-fer-") as folder:
        preparing_ns = time.monotonic_ns()
        origin = open_origin(config.camera, wanted.source, faces=wanted.faces, folder=Path(folder))
        delivery = Delivery(config.mqtt, config.device_name)
        started_ns += time.monotonic_ns() - preparing_ns  # the daemon makes no film and waits for no broker
        alike: dict[str, str] = {}

        def look_at(frame: Frame) -> None:
            height, width = frame.pixels.shape
            alike.update(conditions(config, pipeline, origin, width=width, height=height))
            if old is not None:
                refuse_unlike(old.conditions, alike)

        try:
            pipeline = open_pipeline(config)
            bench = Bench(
                pipeline=pipeline,
                capture=origin.capture,
                sink=delivery.sink,
                timed=delivery.timed,
                patience_s=config.camera.open_timeout_s + config.camera.stall_timeout_s,
            )
            window = run_window(bench, seconds=wanted.seconds, after_warm_up=look_at)
            return figures(
                window,
                bench,
                started_ns=started_ns,
                latency=delivery.latency(),
                model=pipeline.card,
                detector=pipeline.detector.name,
                conditions=alike,
            )
        finally:
            delivery.close()


def _problems(wanted: Wanted) -> Iterator[str]:
    """What is wrong with the command, which the window would be lost to."""
    kinds = _kinds()
    for kind in wanted.detectors or ():
        if kind not in kinds:
            yield f"--detectors: {kind!r} is no detector; give {', '.join(kinds[:-1])} or {kinds[-1]}"
    for model in wanted.models or ():
        try:
            load_model_files(find_model(model))
        except ModelError as error:
            yield f"--models: {error}"
    for option, file in (("--json", wanted.json_file), ("--plot", wanted.plot)):
        if file is None:
            continue
        if file.is_dir():
            yield f"{option}: {file} is a folder; give a file"
        elif not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
            yield f"{option}: {file.parent} is no folder that can be written to; give a file in one that is"


def _kinds() -> tuple[str, ...]:
    return get_args(DetectorConfig.model_fields["kind"].annotation)


def _cuts(config: Config) -> list[Cut]:
    _, content = load_model_files(find_model(config.model))
    return cut_network(content)


def _choices(config: Config, wanted: Wanted) -> Choices:
    cores = len(os.sched_getaffinity(0))
    threads = wanted.threads
    if threads == ():
        threads = tuple(count for count in THREADS if count <= cores)
    detectors = wanted.detectors
    if detectors == ():
        here = config.detector.model is not None or installed_path(YUNET).is_file()
        detectors = tuple(kind for kind in _kinds() if kind != "auto" and (here or kind != "yunet"))
    models = wanted.models
    if models == ():
        models = tuple(shipped_models())
    return Choices(threads or (), detectors or (), models or ())
