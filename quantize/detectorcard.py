"""Says in MODEL_CARD.md what a detector's card says in JSON, beside what other detectors do on the same pictures."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_fer.atomic import write_atomically
from edge_fer.detect.edge_card import EdgeCard
from edge_fer.errors import DataError

USES = """\
## Intended use

Finding the faces in a camera's picture, on the spot, so that a second network may look at them. It says that a face is
there and where its eyes, its nose and the corners of its mouth are, not whose it is.

## Uses it is unfit for

- Not for recognizing people, and not for safety: a machine must not go on because it sees nobody.
- Not for watching people without their knowledge.
- What is done with the faces has limits of its own: see the card of the network that judges them.

## Limits

- It learned from another detector's boxes, errors included, and from few hundred people: webcams, workers in helmets,
  drivers, street fashion. Who they are by age, sex and skin is unknown; measure on your own people.
- Sizes are those in the picture that is searched, which the daemon makes smaller first: see `detector.search_px`.
- How small and how far rolled the faces were that it was shown, is said under training. Profiles, heads upside down and
  painted faces it may miss; prints of faces, skulls on T-shirts and patterned cloth it may take for one.
"""


def note(card: EdgeCard, comparison: Path | None, instructions: Path | None) -> EdgeCard:
    """The card with what was measured elsewhere.

    Args:
        card: the detector's.
        comparison: what `tests/bench/detectors.py --json FILE` writes.
        instructions: what `tests/pi/table.py --parts detector --json FILE` writes: `counts` by core, of them
            `KIND: WIDTHxHEIGHT`.

    Raises:
        DataError: a file is something else.
    """
    changes: dict[str, object] = {}
    if comparison is not None:
        changes["comparison"] = found = _read(comparison)
        if not (isinstance(found.get("detectors"), dict) and isinstance(found.get("cpu"), str)):
            raise DataError(f"{comparison}: no comparison: give what tests/bench/detectors.py --json wrote")
    if instructions is not None:
        counts = _read(instructions).get("counts")
        if not isinstance(counts, dict) or not all(f"{card.name}: 320x240" in found for found in counts.values()):
            raise DataError(
                f"{instructions}: nothing of {card.name}: give what tests/pi/table.py --parts detector --json wrote"
            )
        changes["instructions"] = counts
    return card.model_copy(update=changes)


def write_detector_card(card: EdgeCard, folder: Path) -> None:
    """Write NAME.json, and MODEL_CARD.md for people."""
    write_atomically(folder / f"{card.name}.json", card.to_json().encode())
    write_atomically(folder / "MODEL_CARD.md", render(card).encode())


def render(card: EdgeCard) -> str:
    """The text of MODEL_CARD.md."""
    parts = [
        f"# Model card: the face detector {card.name}\n",
        f"Generated from `{card.name}.json` by `edge-fer-quantize`.\n",
        USES,
        _network(card),
        *(_held_out(name, figures) for name, figures in card.measured.items()),
        _comparison(card),
        _instructions(card),
        "## How it was made\n",
        f"Data: {card.data}\n" if card.data else "",
        _block("Quantization", card.quantization),
        _block("Training", card.training),
    ]
    return "\n".join(part for part in parts if part)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: no figures by name")
    return found


def _network(card: EdgeCard) -> str:
    rows = [
        ("input", "gray picture, int8 1 x height x width x 1: gray value minus 128; sides are multiples of 16 pixels"),
        ("output", "three int8 maps at strides 8, 16 and 32: score, box and five landmarks of each cell"),
        ("size", f"{card.size_bytes:,} bytes"),
        ("sha256", f"`{card.sha256}`"),
        ("source revision", card.revision or "unknown"),
        ("made on", card.created or "unknown"),
    ]
    return "## The network\n\n| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows)


def _held_out(name: str, figures: dict[str, Any]) -> str:
    limits = [*figures["size_limits_px"], None]
    lines = [
        f"## {name.removeprefix('held_out_')} pixels wide: held-out scenes\n",
        f"{figures['frames']} scenes that training never saw, but on which the thresholds were found: "
        f"{figures['false_boxes']} false boxes, mean overlap with the teacher's boxes {figures['mean_iou']}.\n",
        "| size of the face | faces | found |",
        "|---|---:|---:|",
    ]
    for (low, high), there, found in zip(pairwise(limits), figures["faces"], figures["found"], strict=True):
        size = f"{low} to {high} px" if high else f"from {low} px"
        lines.append(f"| {size} | {there} | {found} ({found / max(there, 1):.0%}) |")
    return "\n".join(lines) + "\n"


def _comparison(card: EdgeCard) -> str:
    if not card.comparison:
        return ""
    detectors: dict[str, dict[str, Any]] = card.comparison["detectors"]
    sets = [name for name, value in next(iter(detectors.values())).items() if isinstance(value, dict)]
    lines = [
        "## Beside other detectors\n",
        "Faces from 16 pixels on, in the picture that is searched, that the teacher sees at 640 pixels: found, and "
        f"the false boxes; the number is the longer side searched. Time and memory on {card.comparison['cpu']}, "
        "one thread.\n",
        "| | " + " | ".join(detectors) + " |",
        "|---|" + "---:|" * len(detectors),
        "| ms a frame | " + " | ".join(f"{one['ms']:.2f}" for one in detectors.values()) + " |",
        "| peak memory, MB | " + " | ".join(f"{one['memory_mb']:.0f}" for one in detectors.values()) + " |",
    ]
    for name in sets:
        cells = []
        for one in detectors.values():
            figures = one[name]
            recall = f"{figures['recall_from_16_px']:.1%}" if sum(figures["faces"]) else "no face"
            cells.append(f"{recall}, {figures['false_boxes']} false")
        frames = next(iter(detectors.values()))[name]["frames"]
        lines.append(f"| {name} ({frames} pictures) | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _instructions(card: EdgeCard) -> str:
    if not card.instructions:
        return ""
    cores = list(card.instructions)
    names = dict.fromkeys(name for found in card.instructions.values() for name in found)
    lines = [
        "## Instructions per frame\n",
        "Millions, counted on emulated cores, of one picture with one face.\n",
        "| | " + " | ".join(cores) + " |",
        "|---|" + "---:|" * len(cores),
    ]
    for name in names:
        cells = (f"{found[name] / 1e6:.2f}" if name in found else "" for found in card.instructions.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _block(title: str, values: dict[str, Any]) -> str:
    if not values:
        return ""
    return f"### {title}\n\n```json\n{json.dumps(values, indent=2, ensure_ascii=False)}\n```\n"
