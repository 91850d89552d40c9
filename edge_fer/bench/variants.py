"""Other choices side by side, each in a process of its own: memory, start and thread pools are then its own, too."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from edge_fer.bench.figures import Figures, Variant, read_figures
from edge_fer.bench.setup import SourceKind
from edge_fer.config import Config, DetectorConfig, MqttConfig, WebConfig
from edge_fer.configfile import SECRETS
from edge_fer.errors import EdgeFerError

_PATIENCE_S: Final = 120.0
"""Beyond the window, for a slow board to start and warm up."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What to set side by side; empty: nothing.

    Attributes:
        threads: numbers of them.
        detectors: kinds.
        models: names or paths.
    """

    threads: Sequence[int] = ()
    detectors: Sequence[str] = ()
    models: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """How each is measured, beside its configuration.

    Attributes:
        source: see `open_origin`.
        faces: see `open_origin`.
        seconds: length of the window.
    """

    source: SourceKind
    faces: int
    seconds: float


Measure: TypeAlias = Callable[[Config, Way], Figures]


def side_by_side(
    config: Config, choices: Choices, way: Way, *, detector: str, measure: Measure | None = None
) -> Iterator[Variant]:
    """Each choice with all else as configured; one that cannot run says why.

    Args:
        config: the configuration.
        choices: what to try.
        way: how.
        detector: the one that the configuration came to: its own file stays with it.
        measure: runs one; None: in a process of its own.
    """
    run = measure or measure_apart
    for option, choice, changed in _configs(config, choices, detector):
        try:
            yield _variant(option, choice, run(changed, way))
        except EdgeFerError as error:
            yield Variant(option, choice, problem=str(error))


def measure_apart(config: Config, way: Way) -> Figures:
    """Run `edge-fer bench` with a configuration, without broker and page.

    Raises:
        EdgeFerError: it failed; says why in its own words.
    """
    quiet = config.model_copy(update={"mqtt": MqttConfig(enabled=False), "web": WebConfig()})
    with tempfile.TemporaryDirectory(prefix="edge-fer-bench-") as name:
        answer = Path(name) / "bench.json"
        command = [sys.executable, "-m", "edge_fer", "bench", "--config", "/dev/stdin", "--source", way.source]
        command += ["--faces", str(way.faces), "--seconds", str(way.seconds), "--json", str(answer)]
        try:
            done = subprocess.run(  # noqa: S603
                command,
                input=yaml.safe_dump(quiet.model_dump(mode="json")),  # no file: a camera's URL may hold a password
                capture_output=True,
                text=True,
                check=False,
                timeout=way.seconds + _PATIENCE_S,
                env=_without_secrets(os.environ),
            )
        except subprocess.TimeoutExpired as error:
            raise EdgeFerError(f"did not end within {error.timeout:.0f} s") from error
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"ended with exit code {done.returncode}"]
            raise EdgeFerError(lines[-1].removeprefix("edge-fer: "))
        return read_figures(answer)


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of broker and page, which are left out: half of a pair of them would be refused."""
    secrets = {"CREDENTIALS_DIRECTORY", *(f"EDGE_FER_{name.upper()}" for name in SECRETS)}
    return {name: value for name, value in environ.items() if name not in secrets}


def _configs(config: Config, choices: Choices, detector: str) -> Iterator[tuple[str, str, Config]]:
    for threads in choices.threads:
        yield "threads", str(threads), config.model_copy(update={"threads": threads})
    for kind in choices.detectors:
        settings = config.detector.model_dump() | {"kind": kind}
        if kind != detector:
            settings["model"] = None
        yield "detector", kind, config.model_copy(update={"detector": DetectorConfig.model_validate(settings)})
    for model in choices.models:
        yield "model", model, config.model_copy(update={"model": model})


def _variant(option: str, choice: str, figures: Figures) -> Variant:
    return Variant(
        option=option,
        choice=choice,
        fps=figures.fps,
        work=figures.work,
        detect=figures.stages.get("detect"),
        classify=figures.stages.get("classify"),
        rss_mb=figures.rss_mb,
        time_to_first_reading_s=figures.time_to_first_reading_s,
    )
