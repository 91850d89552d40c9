"""What the detectors are worth, side by side at the same input size.

    python tests/bench/detectors.py [--data DIR] [--edge FILE] [--kinds KIND…] [--search PX…] [--json FILE]

Faces are what the teacher sees, YuNet at a large input: in the held-out scenes as `faces.csv` says, in clips at
640 pixels. A detector's recall is also given relative to YuNet's at the same input size. Times are medians of calls
that alternate between the detectors, so other work on the machine meets all of them alike; memory is that of a process
of its own. Instructions on Arm are counted by `tests/pi/table.py --parts detector`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import cv2
import numpy as np

from edge_fer import board
from edge_fer.config import DetectorConfig
from edge_fer.detect import Detector, open_detector
from edge_fer.detect.judge import SIZES_PX, Known, Tally, judge, known_of
from edge_fer.detect.scenes import SURE, load_scenes
from edge_fer.model_files import YUNET
from edge_fer.records import Face, Frame, GrayImage

TEACHER_PX: Final = 640
DOUBT: Final = 0.5
NO_FACE_CLIP: Final = "one-by-one-person-detection.mp4"
EVERY: Final = 8
"""Frames of clips that are looked at: every so many-th."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Recall, false boxes, overlap, jitter, time and memory of detectors.")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--edge", metavar="FILE", help="another network of the detector edge than the shipped one")
    parser.add_argument("--kinds", nargs="+", default=["edge", "yunet", "haar"])
    parser.add_argument("--search", type=int, nargs="+", default=[320, 160], metavar="PX")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all figures")
    parser.add_argument("--memory-of", nargs=2, metavar=("KIND", "PX"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.memory_of:
        print(peak_mb(make(args.memory_of[0], int(args.memory_of[1]), args)))  # noqa: T201
        return
    sets = {"held-out scenes": [known_of(scene) for scene in load_scenes(args.data / "faces", held_out=True)]}
    sets |= clips(args.data, args)
    figures: dict[str, Any] = {}
    for search_px in args.search:
        detectors = {kind: make(kind, search_px, args) for kind in args.kinds}
        times = alternate(list(detectors.values()), sets["asl"][0].pixels)
        for (kind, detector), ms in zip(detectors.items(), times, strict=True):
            tallies = {name: judge(detector, frames, search_px) for name, frames in sets.items()}
            figures[f"{kind} {search_px}"] = {
                "ms": ms,
                "memory_mb": memory(kind, search_px, args),
                "jitter": jitter(detector, sets["asl"][0].pixels),
                **{name: as_figures(tally) for name, tally in tallies.items()},
            }
        relate(figures, search_px)
        print(table(figures, search_px, list(sets)))  # noqa: T201
    if args.json:
        args.json.write_text(json.dumps({"cpu": board.model_name(), "detectors": figures}, indent=2))


def make(kind: str, search_px: int, args: argparse.Namespace) -> Detector:
    """A detector at its default threshold."""
    file = {"yunet": str(args.data / "models" / YUNET.file_name), "edge": args.edge}.get(kind)
    return open_detector(DetectorConfig.model_validate({"kind": kind, "model": file, "search_px": search_px}))


def clips(data: Path, args: argparse.Namespace) -> dict[str, list[Known]]:
    """Frames of the clips with the teacher's faces; the clip without faces apart."""
    settings = {"kind": "yunet", "model": str(args.data / "models" / YUNET.file_name), "min_score": DOUBT}
    teacher = open_detector(DetectorConfig.model_validate(settings | {"search_px": TEACHER_PX}))
    folder = data / "clips"
    named = {
        "asl": sorted((folder / "asl").glob("*.mkv")),
        "other clips": sorted(folder.glob("*.gif")),
        "no-face clip": [folder / NO_FACE_CLIP],
        "photos": sorted((data / "photos").glob("*.jp*g")),
    }
    return {
        name: [taught(pixels, teacher) for file in files for pixels in pictures(file)] for name, files in named.items()
    }


def pictures(file: Path) -> Iterator[GrayImage]:
    """A photograph, or every `EVERY`-th frame of a clip, uint8 (height, width)."""
    capture = cv2.VideoCapture(str(file))
    index = 0
    while True:
        seen, picture = capture.read()
        if not seen:
            break
        if index % EVERY == 0:
            yield cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        index += 1
    capture.release()


def taught(pixels: GrayImage, teacher: Detector) -> Known:
    """A frame with what the teacher sees in it."""
    faces = teacher.detect(Frame(pixels, 0.0, 0))
    return Known(
        pixels,
        tuple(face.box for face in faces if face.score >= SURE),
        tuple(face.box for face in faces if face.score < SURE),
    )


def alternate(detectors: Sequence[Detector], pixels: GrayImage, rounds: int = 60) -> list[float]:
    """Median milliseconds of a call of each detector on one frame."""
    spent = np.zeros((rounds, len(detectors)))
    for index in range(rounds):
        for number, detector in enumerate(detectors):
            start = time.perf_counter()
            detector.detect(Frame(pixels, 0.0, index))
            spent[index, number] = time.perf_counter() - start
    return cast("list[float]", (np.median(spent[3:], axis=0) * 1000).tolist())


def jitter(detector: Detector, pixels: GrayImage, rounds: int = 40) -> float | None:
    """How much the box of a still face moves under a sensor's noise: root mean square over its sides, in its widths."""
    rng = np.random.default_rng(0)
    boxes = []
    for index in range(rounds):
        noisy = np.clip(pixels + rng.normal(0, 4, pixels.shape), 0, 255).astype(np.uint8)
        found: list[Face] = detector.detect(Frame(noisy, 0.0, index))
        if found:
            box = found[0].box
            boxes.append((box.x, box.y, box.x + box.w, box.y + box.h))
    if len(boxes) < rounds // 2:
        return None
    sides = np.array(boxes)
    return float(np.sqrt(sides.var(axis=0).mean()) / np.median(sides[:, 2] - sides[:, 0]))


def memory(kind: str, search_px: int, args: argparse.Namespace) -> float:
    """Peak memory of a process that runs this detector alone, in MB."""
    given = ["--data", str(args.data), *(["--edge", args.edge] if args.edge else [])]
    command = [sys.executable, __file__, *given, "--memory-of", kind, str(search_px)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak_mb(detector: Detector) -> float:
    """Peak memory of this process after some calls; the kernel's own figure, as getrusage's outlives an exec."""
    for index in range(5):
        detector.detect(Frame(np.zeros((480, 640), np.uint8), 0.0, index))
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def as_figures(tally: Tally) -> dict[str, Any]:
    """A tally for JSON."""
    return {
        "frames": tally.frames,
        "faces": tally.there.tolist(),
        "found": tally.found.tolist(),
        "recall_from_16_px": tally.recall,
        "false_boxes": len(tally.false_scores),
        "mean_iou": float(np.mean(tally.overlaps)) if tally.overlaps else None,
    }


def relate(figures: dict[str, Any], search_px: int) -> None:
    """Add each detector's recall relative to YuNet's."""
    yardstick = figures.get(f"yunet {search_px}")
    for name, values in figures.items():
        if yardstick and name.endswith(f" {search_px}"):
            for pictures_, one in values.items():
                if isinstance(one, dict) and yardstick[pictures_]["recall_from_16_px"]:
                    one["relative_recall"] = one["recall_from_16_px"] / yardstick[pictures_]["recall_from_16_px"]


def table(figures: dict[str, Any], search_px: int, sets: Sequence[str]) -> str:
    """The figures of one input size as Markdown."""
    sizes = [f"{low}-{high}" if high < 1000 else f"{low}+" for low, high in pairwise(SIZES_PX)]
    kinds = {name: one for name, one in figures.items() if name.endswith(f" {search_px}")}
    lines = ["| |" + "|".join(kinds) + "|", "|---|" + "---:|" * len(kinds)]
    rows: list[tuple[str, list[str]]] = [
        ("ms", [f"{one['ms']:.2f}" for one in kinds.values()]),
        ("peak memory, MB", [f"{one['memory_mb']:.0f}" for one in kinds.values()]),
        (
            "jitter, % of a width",
            ["" if one["jitter"] is None else f"{100 * one['jitter']:.2f}" for one in kinds.values()],
        ),
    ]
    for name in sets:
        judged = [one[name] for one in kinds.values()]
        for index, size in enumerate(sizes):
            if judged[0]["faces"][index]:
                cells = [f"{one['found'][index]}/{one['faces'][index]}" for one in judged]
                rows.append((f"{name}: found, {size} px", cells))
        if sum(judged[0]["faces"]):
            rows.append((f"{name}: recall from 16 px", [f"{100 * one['recall_from_16_px']:.1f} %" for one in judged]))
            relative = [f"{100 * one['relative_recall']:.1f} %" if "relative_recall" in one else "" for one in judged]
            rows.append((f"{name}: of YuNet's", relative))
            overlap = ["" if one["mean_iou"] is None else f"{one['mean_iou']:.3f}" for one in judged]
            rows.append((f"{name}: mean IoU", overlap))
        rows.append((f"{name}: false boxes in {judged[0]['frames']}", [str(one["false_boxes"]) for one in judged]))
    lines += [f"|{label}|" + "|".join(cells) + "|" for label, cells in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
