"""What is measured: a source of frames, the pipeline that the configuration asks for, and what makes two runs alike."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from edge_fer import board
from edge_fer.bench.scene import SyntheticScene
from edge_fer.camera import Capture, capture_from
from edge_fer.camera.address import Kind, parse_source
from edge_fer.clip import write_demo_clip
from edge_fer.config import CameraConfig, Config
from edge_fer.pipeline import Pipeline

SourceKind: TypeAlias = Literal["camera", "clip", "synthetic"]

_COMPARED: Final[dict[str, set[str]]] = {
    "detector": {"kind", "model"},
    "pace": set(),
    "tracking": set(),
    "smoothing": set(),
}
"""Sections of the configuration that bear on the frame path, without the options that other conditions cover."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the frames come from.

    Attributes:
        capture: hands them out.
        name: that tells them from other pictures: a film's holds its digest.
        pace: how fast they come.
    """

    capture: Capture
    name: str
    pace: str


def open_origin(settings: CameraConfig, kind: SourceKind, *, faces: int, folder: Path) -> Origin:
    """The frames to measure with.

    Args:
        settings: the configured camera.
        kind: `camera` takes it as it is; `clip` its film, looped and as fast as possible, or one made on the spot where
            no film is configured; `synthetic` a drawn scene of its size.
        faces: in the drawn scene.
        folder: where a film may be made.

    Raises:
        UnusableSourceError: the source is misspelt, or no such file.
        DataError: a film is needed and cannot be made.
    """
    if kind == "synthetic":
        scene = SyntheticScene(width=settings.width, height=settings.height, faces=faces)
        return Origin(Capture(lambda: scene, name=scene.name, live=False), scene.name, "as fast as possible")
    if kind == "clip":
        path = folder / "demo.mp4"
        if parse_source(settings.source).kind in (Kind.VIDEO, Kind.IMAGES):
            path = Path(str(settings.source)).expanduser()
        else:
            write_demo_clip(path)
        settings = settings.model_copy(update={"source": str(path), "loop": True, "realtime": False})
    capture = capture_from(settings)
    address = parse_source(settings.source)
    name = address.name
    if address.kind is Kind.VIDEO:
        name = f"{Path(address.target).name} (sha256 {_digest(Path(address.target))})"
    return Origin(capture, name, "live" if capture.live else "as fast as possible")


def conditions(config: Config, pipeline: Pipeline, origin: Origin, *, width: int, height: int) -> dict[str, str]:
    """What must be alike in two runs for their figures to be compared, by names that a person understands."""
    found = {
        "source": origin.name,
        "playback": origin.pace,
        "resolution": f"{width}x{height}",
        "threads": str(config.threads),
        "model": f"{pipeline.card.name} (sha256 {pipeline.card.sha256[:12]})",
        "detector": pipeline.detector.name,
        "board": board.model_name(),
    }
    for section, covered in _COMPARED.items():
        options: dict[str, object] = getattr(config, section).model_dump(mode="json", exclude=covered)
        found.update({f"{section}.{option}": str(value) for option, value in options.items()})
    return found


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
