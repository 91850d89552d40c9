"""What edge-fer costs on a Raspberry Pi, in instructions counted on an emulated core.

    tests/pi/install                                   # once: the emulated board, in build/pi
    python tests/pi/table.py                           # everything, of the working tree
    python tests/pi/table.py --parts network --model F.tflite G.tflite  # of any int8 network, per face
    python tests/pi/table.py --parts loop idle --cores cortex-a72 --config F.yaml
    python tests/pi/table.py --guarded --budgets tests/pi/budgets.json  # sets what `make test-pi` allows

Counts are no times, but repeat to a few parts in a million whatever else the machine does.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl

HERE: Final = Path(__file__).parent
TREE: Final = HERE.parents[1]
CORES: Final = {"cortex-a53": "Pi 3, Zero 2 W", "cortex-a72": "Pi 4", "cortex-a76": "Pi 5"}
PARTS: Final = ("network", "operators", "crop", "detector", "loop", "idle")
GUARDED: Final = {
    "cortex-a53": ("network",),
    "cortex-a72": ("network", "crop", "detector", "loop", "idle"),
    "cortex-a76": ("network",),
}
"""Beyond the networks, whose kernels differ, one core tells of all."""
YUNET: Final = TREE.parent / "shared/data/models/face_detection_yunet_2023mar.onnx"
HEADROOM: Final = 0.03
SMALLEST_HEADROOM: Final = 20_000
"""Instructions: some lines of Python more in a frame are no regression."""

Counts: TypeAlias = dict[str, int]


def count(core: str, parts: Sequence[str], args: argparse.Namespace) -> tuple[Counts, dict[str, str]]:
    """What `count.py` finds on that core, and the versions of the libraries there."""
    portrait = Path(mpl.get_data_path(), "sample_data", "grace_hopper.jpg")  # public domain, US Navy
    command: list[str | Path] = [HERE / "run", core, HERE / "count.py", "--portrait", portrait]
    command += ["--parts", *parts, "--models", *args.model]
    command += ["--warm-up", str(args.warm_up), "--frames", str(args.frames)]
    for option in ("yunet", "config", "clip", "detector"):
        if getattr(args, option) is not None:
            command += [f"--{option}", getattr(args, option)]
    # Without YuNet's file the daemon is to find none that this machine's user has, either.
    surroundings = {"EDGE_FER_PYTHONPATH": str(args.tree.resolve()), "EDGE_FER_MODELS": "/nonexistent"}
    done = subprocess.run(command, env=os.environ | surroundings, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{core}: {done.stderr}")
    found = json.loads(done.stdout)
    return found["counts"], found["versions"]


def render(counts: dict[str, Counts]) -> str:
    """A table in Markdown, in millions of instructions."""
    cores = list(counts)
    lines = ["| M instructions | " + " | ".join(f"{core} ({CORES[core]})" for core in cores) + " |"]
    lines.append("|---|" + "---:|" * len(cores))
    for name in dict.fromkeys(name for found in counts.values() for name in found):
        cells = (f"{counts[core][name] / 1e6:.2f}" if name in counts[core] else "" for core in cores)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_budgets(path: Path, counts: dict[str, Counts], versions: dict[str, str]) -> None:
    """What was counted and a little more; what is not counted now, such as YuNet without its file, stays."""
    kept = json.loads(path.read_text())["budgets"] if path.exists() else {}
    budgets = {
        core: kept.get(core, {})
        | {name: value + round(max(HEADROOM * value, SMALLEST_HEADROOM)) for name, value in found.items()}
        for core, found in counts.items()
    }
    path.write_text(json.dumps({"versions": versions, "budgets": budgets}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", nargs="+", choices=CORES, default=list(CORES), metavar="CORE", help="of %(choices)s")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help="of %(choices)s")
    parser.add_argument("--guarded", action="store_true", help="the cores and parts that have budgets")
    cards = (TREE / "edge_fer/models").glob("*.json")
    parser.add_argument(
        "--model", nargs="+", default=sorted(card.stem for card in cards), help="shipped names or .tflite files (all)"
    )
    parser.add_argument("--config", type=lambda path: Path(path).absolute(), help="of the loop; its camera is not used")
    parser.add_argument("--detector", default="auto", help="of the loop (%(default)s)")
    parser.add_argument(
        "--clip", type=lambda path: Path(path).absolute(), help="film for the loop instead of the scene that is drawn"
    )
    parser.add_argument("--warm-up", type=int, default=75, help="frames before counting begins (%(default)s)")
    parser.add_argument("--frames", type=int, default=120, help="frames counted, 30 to the second (%(default)s)")
    parser.add_argument(
        "--yunet", type=Path, default=YUNET if YUNET.exists() else None, help="YuNet's file (%(default)s)"
    )
    parser.add_argument("--tree", type=Path, default=TREE, help="where edge_fer lies (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the counts there, too")
    parser.add_argument("--budgets", type=Path, help="make them, and a little more, the budgets in this file")
    args = parser.parse_args()
    parts = GUARDED if args.guarded else dict.fromkeys(args.cores, args.parts)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda core: count(core, parts[core], args), parts))
    counts = {core: one for core, (one, _) in zip(parts, found, strict=True)}
    sys.stdout.write(render(counts) + "\n")
    if args.json is not None:
        args.json.write_text(json.dumps({"counts": counts, "versions": found[0][1]}, indent=2) + "\n")
    if args.budgets is not None:
        write_budgets(args.budgets, counts, found[0][1])


if __name__ == "__main__":
    main()
