"""How many frames per second remain with more faces, larger pictures and more threads: one picture.

    python tests/bench/curves.py --out docs/curves.png [--yunet FILE] [--seconds S] [--rounds N] [--json FILE]

Each point is an `edge-fer bench --source synthetic` in a process of its own; a round goes through all of them before
the next begins, because other work on the machine comes and goes, and the median of the rounds is drawn. The shaded
band is from the slowest round to the fastest.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

FACES = (0, 1, 2, 4, 8, 12, 16)
WIDTHS = (160, 320, 640, 960, 1280, 1920)
THREADS = (1, 2, 4)
WIDTH, LABEL = 640, "frames/s"


@dataclass(frozen=True)
class Point:
    """What one run is told."""

    curve: str
    x: int
    faces: int = 1
    width: int = WIDTH
    threads: int = 1


def points() -> list[Point]:
    cores = len(os.sched_getaffinity(0))
    return [
        *(Point("faces", count, faces=count) for count in FACES),
        *(Point("width", width, width=width) for width in WIDTHS),
        *(Point("threads", count, faces=4, threads=count) for count in THREADS if count <= cores),
    ]


def measure(point: Point, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    config, answer = folder / "edge-fer.yaml", folder / "bench.json"
    settings = {
        "camera": {"width": point.width, "height": point.width * 3 // 4},
        "detector": {"kind": args.detector, "model": str(args.yunet.absolute()) if args.yunet else None},
        "threads": point.threads,
        "mqtt": {"enabled": False},
    }
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "edge_fer", "bench", "--config", str(config), "--source", "synthetic"]
    command += ["--faces", str(point.faces), "--seconds", str(args.seconds), "--json", str(answer)]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    found: dict[str, Any] = json.loads(answer.read_text())
    return found


def draw(rounds: list[dict[Point, dict[str, Any]]], out: Path) -> None:
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    titles = {
        "faces": f"faces in a {WIDTH}x{WIDTH * 3 // 4} picture",
        "width": "width of the picture, pixels, one face",
        "threads": "threads, four faces",
    }
    for axes, (curve, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        line = [point for point in rounds[0] if point.curve == curve]
        fps = [[one[point]["fps"] for one in rounds] for point in line]
        xs = [point.x for point in line]
        axes.plot(xs, [statistics.median(values) for values in fps], "o-")
        axes.fill_between(xs, [min(values) for values in fps], [max(values) for values in fps], alpha=0.2)
        axes.set(xlabel=title, ylabel=LABEL, ylim=(0, None), xticks=xs if curve != "width" else (160, 640, 1280, 1920))
        if curve == "faces":  # an empty room costs so little that it would dwarf all others
            axes.set(yscale="log", ylim=(10, None))
        axes.grid(alpha=0.3)
    first = next(iter(rounds[0].values()))
    figure.suptitle(f"{first['board']}, detector {first['detector']}, model {first['model']['name']}")
    figure.savefig(out, dpi=90)


def table(rounds: list[dict[Point, dict[str, Any]]]) -> str:
    lines = ["| | | frames/s | CPU per frame | faces seen |", "|---|---|---|---|---|"]
    for point in rounds[0]:
        fps = statistics.median(one[point]["fps"] for one in rounds)
        cpu_ms = statistics.median(10 * one[point]["cpu"]["process"] / one[point]["fps"] for one in rounds)
        seen = rounds[0][point]["faces"]
        lines.append(f"| {point.curve} | {point.x} | {fps:.0f} | {cpu_ms:.2f} ms | {seen:.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw frames per second over faces, width and threads.")
    parser.add_argument("--out", type=Path, required=True, help="the PNG")
    parser.add_argument("--detector", default="auto", help="kind (%(default)s)")
    parser.add_argument("--yunet", type=Path, help="file of the YuNet detector, if it is not installed")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write every run's figures to this file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rounds = [{point: measure(point, args, Path(name)) for point in points()} for _ in range(args.rounds)]
    if args.json:
        args.json.write_text(json.dumps([list(one.values()) for one in rounds], indent=2) + "\n")
    draw(rounds, args.out)
    sys.stdout.write(table(rounds) + "\n")


if __name__ == "__main__":
    main()
