"""What a run of the benchmark found, and the JSON file that holds it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from edge_fer.atomic import write_atomically
from edge_fer.bench.laps import Block, Spread
from edge_fer.errors import DataError

FORMAT: Final = 1
DISTURBED: Final = 25.0
"""Per cent of one core that other work may take before it is said to disturb."""


@dataclass(frozen=True, slots=True)
class Latency:
    """From a frame's arrival to its message.

    A live camera's frame arrives when its thread takes it over, a film's when it is decoded. Only frames that gave
    rise to a message count: the configured rate keeps the others silent.

    Attributes:
        queued: to the handing over to the network thread, in milliseconds; None if nothing was published.
        heard: to a subscriber on the configured broker; None without a broker.
        posted: messages handed over.
        received: messages that the subscriber got; a newer value of a topic replaces one that still waits.
        broker: what was connected to, or why nothing was.
    """

    queued: Spread | None
    heard: Spread | None
    posted: int
    received: int
    broker: str


@dataclass(frozen=True, slots=True)
class Cpu:
    """Load in per cent of one core, over the window.

    Attributes:
        process: of this process; 100 is one core.
        cores: of every core, whoever used it; empty where the system does not tell.
    """

    process: float
    cores: tuple[float, ...]

    @property
    def others(self) -> float:
        """What all other processes used; 0 where the system does not tell."""
        return max(0.0, sum(self.cores) - self.process)

    @property
    def disturbed(self) -> bool:
        """Whether other work took so much that the figures say little."""
        return self.others > DISTURBED


@dataclass(frozen=True, slots=True)
class Heat:
    """At one moment.

    Attributes:
        temperature_c: of the processor, None where there is no sensor.
        throttled: whether the board is slowed down by heat or low voltage, None where it cannot be read.
    """

    temperature_c: float | None
    throttled: bool | None


@dataclass(frozen=True, slots=True)
class Machine:
    """What ran it.

    Attributes:
        kernel: system and its release.
        architecture: of the processor, such as aarch64.
        governor: that sets the clock's frequency, None where the system does not tell.
        cores: that this process may use.
        memory_mb: of the machine, in MB (1e6 bytes).
        versions: of edge-fer, Python and the libraries that matter.
    """

    kernel: str
    architecture: str
    governor: str | None
    cores: int
    memory_mb: float
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class Variant:
    """Another choice of one option, measured in a process of its own.

    Attributes:
        option: `threads`, `detector` or `model`.
        choice: its value.
        fps: frames per second.
        work: time of a frame, without waiting for a camera.
        detect: of the detector; None if it could not be measured.
        classify: likewise.
        rss_mb: resident memory in MB.
        time_to_first_reading_s: see `Figures`.
        problem: why there are no figures.
    """

    option: str
    choice: str
    fps: float | None = None
    work: Spread | None = None
    detect: Spread | None = None
    classify: Spread | None = None
    rss_mb: float | None = None
    time_to_first_reading_s: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        fps: frames per second, decoding included.
        time_to_first_reading_s: from the start of the process to the first face's reading; None if no face was seen.
        rss_mb: resident memory at the end, in MB (1e6 bytes).
        peak_rss_mb: the most that it ever was.
        overhead: share of the loop's time, waiting for the camera aside, that neither detector nor classifier took.
        frames: how many were measured.
        seconds: how long.
        dropped: frames of a live camera that came while the loop was busy.
        faces: mean number of readings per frame.
        stages: by stage, its time.
        work: all stages together; of a live camera without the waiting, so that 1000 / mean_ms is the most frames per
            second that it could take.
        latency: from camera to MQTT.
        cpu: load.
        before: heat before the window.
        after: heat after it.
        model: name and sha256.
        detector: its name.
        board: what ran it.
        machine: more about that.
        conditions: what must be alike in two runs for their figures to be compared.
        made_at: when, ISO 8601.
        blocks: the window in equal parts, from which `compare` has its intervals.
        variants: other choices, side by side.
        format: version of this format.
    """

    fps: float
    time_to_first_reading_s: float | None
    rss_mb: float
    peak_rss_mb: float
    overhead: float
    frames: int
    seconds: float
    dropped: int
    faces: float
    stages: dict[str, Spread]
    work: Spread
    latency: Latency
    cpu: Cpu
    before: Heat
    after: Heat
    model: dict[str, str]
    detector: str
    board: str
    machine: Machine
    conditions: dict[str, str]
    made_at: str
    blocks: tuple[Block, ...]
    variants: tuple[Variant, ...] = ()
    format: int = FORMAT


def write_figures(figures: Figures, path: Path) -> None:
    """Write the file.

    Raises:
        EdgeFerError: it cannot be written.
    """
    write_atomically(path, (json.dumps(dataclasses.asdict(figures), indent=2) + "\n").encode())


def read_figures(path: Path) -> Figures:
    """Read a file that `edge-fer bench --json` wrote.

    Raises:
        DataError: it cannot be read, or is no such file.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON; right would be a file that `edge-fer bench --json` wrote") from error
    if isinstance(values, dict) and values.get("format") != FORMAT:
        raise DataError(
            f"{path}: has format {values.get('format')!r}, this edge-fer compares format {FORMAT}; "
            "measure anew with `edge-fer bench --json`"
        )
    try:
        return TypeAdapter(Figures).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "file"
        raise DataError(
            f"{path}: {where}: {first['msg']}; right would be a file that `edge-fer bench --json` wrote"
        ) from error
