"""Counts the instructions that the steps of edge-fer take; runs on the emulated board, `table.py` calls it.

Prints one JSON object: `counts`, instructions by what was done, and `versions` of the libraries that did it. Everything
is warmed up before it is counted, and runs in one thread.
"""

import argparse
import functools
import json
import math
import mmap
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias, cast, get_args

import cv2
import numpy as np

from edge_fer.assembly import Assembly
from edge_fer.bench.operators import cut_network
from edge_fer.camera import CameraState, Capture, EndOfStream
from edge_fer.card import find_model, load_model_files
from edge_fer.config import DetectorConfig
from edge_fer.configfile import load_config
from edge_fer.control import Control
from edge_fer.daemon import Daemon
from edge_fer.detect import open_detector
from edge_fer.preprocess import CropMargin, crop_face, to_model_input
from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import LinkStats
from edge_fer.records import Box, Frame, GrayImage
from edge_fer.stages import Stopwatch
from edge_fer.tflite import Network, open_interpreter

WIDTH, HEIGHT, FPS = 640, 480, 30
FACE_PX: Final = 90
"""Width of a face a metre from a webcam."""
REPEATS: Final = 3

SEARCHED: Final = ((320, 240), (160, 120))

Read: TypeAlias = Callable[[], int]
Counts: TypeAlias = dict[str, float]


def open_counter() -> Read:
    """Reads the number of instructions executed so far, as one reads a clock."""
    with Path(os.environ["EDGE_FER_COUNTER"]).open("r+b") as file:
        counter = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")
    return lambda: counter[0]


def cost(read: Read, act: Callable[[], object]) -> int:
    """Instructions of a call: the least of a few, after a first one that allocates and caches."""
    act()
    counts = []
    for _ in range(REPEATS):
        before = read()
        act()
        counts.append(read() - before)
    return min(counts)


class Scene:
    """A webcam's view of a room, with sensor noise; somebody sits in it and sways, or nobody is there."""

    def __init__(self, portrait: Path) -> None:
        rng = np.random.default_rng(6)
        picture = cv2.imread(str(portrait), cv2.IMREAD_GRAYSCALE)
        assert picture is not None, portrait
        self._portrait = picture
        rows, columns = np.mgrid[:HEIGHT, :WIDTH]
        room = 90 + 40 * rows / HEIGHT + 30 * np.sin(columns / 170)
        for _ in range(12):  # furniture
            left, top, width, height = rng.integers(0, 560), rng.integers(0, 400), *rng.integers(20, 200, 2)
            room[top : top + height, left : left + width] += rng.integers(-50, 50)
        self._room = cv2.GaussianBlur(np.clip(room, 20, 230).astype(np.uint8), (5, 5), 0)
        self._noise = [rng.normal(128, 2, (HEIGHT, WIDTH)).astype(np.uint8) for _ in range(7)]

    def frame(self, index: int, *, seated: bool = True) -> Frame:
        picture = self._room.copy()
        if seated:
            time_s, scale = index / FPS, 0.55
            x = 180 + 15 * math.sin(time_s) + 4 * math.sin(3.1 * time_s)
            y = 150 + 6 * math.sin(1.7 * time_s)
            view = np.array([[scale, 0, x], [0, scale, y]])
            cv2.warpAffine(self._portrait, view, (WIDTH, HEIGHT), dst=picture, borderMode=cv2.BORDER_TRANSPARENT)
        noise = self._noise[index % len(self._noise)]
        pixels = np.clip(picture.astype(np.int16) + noise - 128, 0, 255).astype(np.uint8)
        return Frame(pixels, index / FPS, index)


def read_clip(path: Path, limit: int) -> list[Frame]:
    """The first frames of a film, gray, at 30 frames a second."""
    film = cv2.VideoCapture(str(path))
    frames: list[Frame] = []
    while len(frames) < limit and (read := film.read())[0]:
        gray = cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        frames.append(Frame(gray, len(frames) / FPS, len(frames)))
    return frames


class Film:
    """A camera that gives frames from memory and notes what the loop took for each."""

    name = "film"
    state = CameraState(name="film", details="", online=True, since_s=0.0, reconnects=0, dropped=0, error=None)

    def __init__(self, frames: Sequence[Frame], read: Read) -> None:
        self._frames = frames
        self._read = read
        self._given_at: int | None = None
        self._acts: dict[int, Callable[[], None]] = {}
        self.now_s = 0.0
        self.counts: list[int] = []

    def at(self, index: int, act: Callable[[], None]) -> None:
        """Do something before that frame is given."""
        self._acts[index] = act

    def next(self, _timeout_s: float) -> Frame:
        if self._given_at is not None:
            self.counts.append(self._read() - self._given_at)
        index = len(self.counts)
        if index in self._acts:
            self._acts[index]()
        if index == len(self._frames):
            raise EndOfStream
        self.now_s = self._frames[index].time_s
        self._given_at = self._read()
        return self._frames[index]

    def stop(self) -> bool:
        return True


class Swallow:
    """Takes messages as the connection to the broker does, and keeps none."""

    stats = LinkStats(connected=True, protocol="5", reconnects=0, queued=0, lost=0, events_lost=0)

    def post(self, message: Message) -> None: ...
    def repeat(self) -> None: ...
    def check(self) -> None: ...
    def close(self) -> None: ...


def count_networks(read: Read, args: argparse.Namespace, _scene: Scene) -> Counts:
    """Each classifier on one face: the network alone and, where it has a card, as the daemon calls it."""
    found: Counts = {}
    for model in args.models:
        file = Path(model)
        if file.suffix == ".tflite" and not file.with_suffix(".json").exists():
            found[f"{file.stem}: invoke"] = cost(read, open_interpreter(file.read_bytes()).invoke)
            continue
        card, content = load_model_files(find_model(model))
        judge = functools.partial(_logits, Network(content, card), np.zeros(card.input_size, np.uint8))
        found[f"{card.name}: invoke"] = cost(read, open_interpreter(content).invoke)
        found[f"{card.name}: logits"] = cost(read, judge)
    return found


def count_operators(read: Read, args: argparse.Namespace, _scene: Scene) -> Counts:
    """Each operator of a classifier: what the network takes up to it, less what it takes up to the one before."""
    found: Counts = {}
    for model in args.models:
        file = Path(model) if model.endswith(".tflite") else find_model(model)
        before = 0
        for number, cut in enumerate(cut_network(file.read_bytes()), start=1):
            upto = cost(read, open_interpreter(cut.content).invoke)
            shape = "x".join(str(side) for side in cut.output[1:])
            found[f"{file.stem}: {number} {cut.operator} {shape}"] = upto - before
            before = upto
    return found


def _logits(network: Network, crop: GrayImage) -> None:
    network.logits(to_model_input(crop))


def count_crops(read: Read, _args: argparse.Namespace, scene: Scene) -> Counts:
    """Cutting out a face, upright or tilted, and scaling it to the classifier's input."""
    pixels, margin, size = scene.frame(0).pixels, CropMargin(1.1, 0.0), (48, 48)
    found: Counts = {}
    for side in (FACE_PX, 2 * FACE_PX):
        cut = functools.partial(crop_face, pixels, Box(200.0, 150.0, side, side), margin, size)
        found[f"crop: {side} px face"] = cost(read, cut)
        found[f"crop: {side} px face, tilted"] = cost(read, functools.partial(cut, roll_deg=15.0))
    return found


def count_detectors(read: Read, args: argparse.Namespace, scene: Scene) -> Counts:
    """Every detector that is here on a whole frame with one face."""
    kinds = get_args(DetectorConfig.model_fields["kind"].annotation)
    files = {"yunet": str(args.yunet)} if args.yunet else {}
    found: Counts = {}
    for kind in kinds:
        if kind == "auto" or (kind == "yunet" and args.yunet is None):
            continue
        for width, height in SEARCHED:
            settings = {"kind": kind, "model": files.get(kind), "search_px": width}
            detector = open_detector(DetectorConfig.model_validate(settings))
            pixels = cv2.resize(scene.frame(0).pixels, (width, height), interpolation=cv2.INTER_AREA)
            frame = Frame(pixels.astype(np.uint8), 0.0, 0)
            found[f"{kind}: {width}x{height}"] = cost(read, functools.partial(detector.detect, frame))
    return found


def count_loop(read: Read, args: argparse.Namespace, scene: Scene) -> Counts:
    """The loop with one face in view."""
    total = args.warm_up + args.frames
    frames = read_clip(args.clip, total) if args.clip else [scene.frame(index) for index in range(total)]
    return run_loop("loop", read, args, frames)


def count_idle(read: Read, args: argparse.Namespace, scene: Scene) -> Counts:
    """The loop with nobody in view."""
    frames = [scene.frame(index, seated=False) for index in range(args.warm_up + args.frames)]
    return run_loop("idle", read, args, frames)


PARTS: Final[dict[str, Callable[[Read, argparse.Namespace, Scene], Counts]]] = {
    "network": count_networks,
    "operators": count_operators,
    "crop": count_crops,
    "detector": count_detectors,
    "loop": count_loop,
    "idle": count_idle,
}


def run_loop(name: str, read: Read, args: argparse.Namespace, frames: Sequence[Frame]) -> Counts:
    """The daemon's own loop on frames from memory, publishing to nobody: mean per frame after the warm-up."""
    config = load_config(args.config)
    if args.detector != config.detector.kind:
        model = str(args.yunet) if args.detector == "yunet" else None
        detector = config.detector.model_copy(update={"kind": args.detector, "model": model})
        config = config.model_copy(update={"detector": detector})
    mqtt = config.mqtt
    sink = MqttSink(Swallow(), base="edge-fer/pi", heartbeat_s=mqtt.heartbeat_s, rate_hz=mqtt.rate_hz, event_ttl_s=60.0)
    film, control = Film(frames, read), Control()
    assembly = Assembly(
        config.model_copy(update={"mqtt": mqtt.model_copy(update={"enabled": False})}),
        control=control,
        output=lambda _config: sink,
        open_capture=lambda _camera: cast("Capture", film),
    )
    watch = assembly.pipeline.watch = Stopwatch(clock_ns=read)
    before: dict[str, int] = {}
    film.at(args.warm_up, lambda: before.update(watch.total_ns))
    Daemon(assembly, control=control, load=lambda: config, clock=lambda: film.now_s).run()
    steady = film.counts[args.warm_up :]
    stages = {stage: (total - before.get(stage, 0)) / len(steady) for stage, total in watch.total_ns.items()}
    mean = sum(steady) / len(steady)
    found = {"frame": mean, "dearest frame": max(steady), **stages, "the rest": mean - sum(stages.values())}
    return {f"{name} {assembly.pipeline.detector.name}: {part}": count for part, count in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, required=True)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--portrait", type=Path, required=True)
    parser.add_argument("--yunet", type=Path)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--warm-up", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    read, scene = open_counter(), Scene(args.portrait)
    found: Counts = {}
    for part in args.parts:
        found |= PARTS[part](read, args, scene)
    counts = {name: round(count) for name, count in found.items()}
    versions = {name: metadata.version(name) for name in ("ai-edge-litert", "opencv-python-headless", "numpy")}
    sys.stdout.write(json.dumps({"counts": counts, "versions": versions}) + "\n")


if __name__ == "__main__":
    main()
