# ruff: noqa: PLC0415 - no contender is to pay for what another imports
"""Frames per second, memory and start of edge-fer beside what else one could run on the same film.

    python tests/bench/peers.py --clip FILE [--yunet FILE] [--venv DIR] [--seconds S] [--rounds N] [--json FILE]

Every contender decodes the same film, in a loop, in a process of its own, all on one and the same core, in turns:

- the `fer` package as it comes from PyPI (Haar cascade and mini-XCEPTION), in a virtual environment of its own, which
  this script makes in DIR (some gigabytes: it brings TensorFlow and PyTorch);
- the loop that one finds in student projects: Haar cascade in every frame, then Keras' `model.predict` on each face,
  with the plain network that they train (its weights are random: they matter not to the time);
- OpenCV alone: YuNet at the frame's size, then the classifier as ONNX in cv2.dnn: the shipped network's layers in
  float, also with random weights;
- edge-fer as `edge-fer bench --source clip` measures it, with every detector that is there.

Needs the extra `train` for the second, which is left out without it.
"""

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

FER_PACKAGE = "fer==25.10.3"
# fer imports pkg_resources without asking for it, and OpenCV 5 moved its cascades; PyTorch exports with onnx.
ALSO = ("setuptools<81", "opencv-contrib-python<5", "onnx")
WARM_UP_FRAMES = 20
INPUT_PX = 48
CLASSES = 7

Judge = Callable[[Any], int]
"""Judges a BGR frame; says how many faces it saw."""


def fer_package(_args: argparse.Namespace) -> Judge:
    detector = importlib.import_module("fer.fer").FER()
    return lambda frame: len(detector.detect_emotions(frame))


def reference_loop(_args: argparse.Namespace) -> Judge:
    import cv2
    import keras
    import numpy as np

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((INPUT_PX, INPUT_PX, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1024, activation="relu"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    cascade_file = Path(cv2.data.haarcascades, "haarcascade_frontalface_default.xml")  # type: ignore[attr-defined]
    cascade = cv2.CascadeClassifier(str(cascade_file))

    def judge(frame: Any) -> int:
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        faces = cascade.detectMultiScale(gray, 1.3, 5)
        for x, y, w, h in faces:
            face = cv2.resize(gray[y : y + h, x : x + w], (INPUT_PX, INPUT_PX))
            model.predict(face[np.newaxis, :, :, np.newaxis] / 255.0, verbose=0)
        return len(faces)

    return judge


def opencv_alone(args: argparse.Namespace) -> Judge:
    import cv2

    detector = cv2.FaceDetectorYN.create(str(args.yunet), "", (320, 320), 0.75)
    classifier = cv2.dnn.readNetFromONNX(str(args.onnx))

    def judge(frame: Any) -> int:
        height, width = frame.shape[:2]
        detector.setInputSize((width, height))
        found = detector.detect(frame)[1]
        faces = [] if found is None else found[:, :4].astype(int).tolist()
        gray = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for x, y, w, h in faces:
            crop = gray[max(y, 0) : y + h, max(x, 0) : x + w]
            classifier.setInput(cv2.dnn.blobFromImage(crop, 1 / 255, (INPUT_PX, INPUT_PX)))
            classifier.forward()
        return len(faces)

    return judge


CONTENDERS = {"fer": fer_package, "reference loop": reference_loop, "OpenCV: YuNet + ONNX": opencv_alone}


def make_onnx(path: Path) -> None:
    """The layers of the shipped network, as the trainer's net `edge` has them."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    stages: list[nn.Module] = []
    channels = 1
    for width, depth in ((32, 1), (64, 2), (128, 2), (192, 2)):
        for _ in range(depth):
            stages += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        stages.append(nn.MaxPool2d(2))
    net = nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)).eval()
    torch.onnx.export(net, (torch.zeros(1, 1, INPUT_PX, INPUT_PX),), str(path), dynamo=False)


def frames_of(clip: Path) -> Iterator[Any]:
    """The film's frames, for ever; opened anew at each end, as edge-fer does."""
    import cv2

    while True:
        film = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG)
        while (read := film.read())[0]:
            yield read[1]
        film.release()


def run_contender(args: argparse.Namespace) -> None:
    """In a process of its own: print the figures as one line of JSON."""
    import cv2

    cv2.setNumThreads(1)
    judge = CONTENDERS[args.contender](args)
    frames = frames_of(args.clip)
    first_s = None
    for _ in range(WARM_UP_FRAMES):
        if judge(next(frames)) and first_s is None:
            first_s = age_s()
    count = faces = 0
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    while (spent_s := time.monotonic() - began_s) < args.seconds:
        faces += judge(next(frames))
        count += 1
    cpu_s = time.process_time() - began_cpu_s
    told = {
        "fps": count / spent_s,
        "cpu_ms": 1000 * cpu_s / count,
        "faces": faces / count,
        "rss_mb": status_mb("VmRSS"),
        "peak_rss_mb": status_mb("VmHWM"),
        "first_s": first_s,
    }
    sys.stdout.write(json.dumps(told) + "\n")


def age_s() -> float:
    """Since this process was started."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return float(Path("/proc/uptime").read_text().split()[0]) - ticks / os.sysconf("SC_CLK_TCK")


def status_mb(name: str) -> float:
    [line] = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e6


def measure(python: str, contender: str, args: argparse.Namespace, onnx: Path) -> dict[str, Any]:
    command = [python, __file__, "--contender", contender, "--clip", str(args.clip), "--seconds", str(args.seconds)]
    command += ["--onnx", str(onnx), *(["--yunet", str(args.yunet)] if args.yunet else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=one_thread())
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def measure_edge_fer(detector: str, args: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """None, and why on stderr, where that detector cannot be had."""
    config, answer = folder / "edge-fer.yaml", folder / "bench.json"
    settings = {
        "camera": {"source": str(args.clip.absolute())},
        "detector": {"kind": detector, "model": str(args.yunet.absolute()) if detector == "yunet" else None},
        "mqtt": {"enabled": False},
    }
    config.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "edge_fer", "bench", "--config", str(config), "--source", "clip"]
    command += ["--seconds", str(args.seconds), "--json", str(answer)]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=one_thread()).returncode:
        return None
    found = json.loads(answer.read_text())
    return {
        "fps": found["fps"],
        "cpu_ms": 10 * found["cpu"]["process"] / found["fps"],
        "faces": found["faces"],
        "rss_mb": found["rss_mb"],
        "peak_rss_mb": found["peak_rss_mb"],
        "first_s": found["time_to_first_reading_s"],
    }


def one_thread() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1"), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def peers_python(folder: Path) -> str:
    """The interpreter of the environment with the fer package, which is made where there is none."""
    python = folder / "bin" / "python"
    if not python.is_file():
        venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", FER_PACKAGE, *ALSO], check=True)
    return str(python)


def detectors(args: argparse.Namespace) -> list[str]:
    from edge_fer.config import DetectorConfig

    kinds = get_args(DetectorConfig.model_fields["kind"].annotation)
    return [kind for kind in kinds if kind != "auto" and (kind != "yunet" or args.yunet)]


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Medians over the rounds; ratios are medians of the rounds' own ratios to `fer`."""
    heads = (
        "",
        "frames/s",
        "to fer",
        "CPU per frame",
        "of fer's",
        "faces per frame",
        "memory",
        "of fer's",
        "first result",
    )
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for name, rounds in results.items():
        middle = {key: statistics.median(one[key] or 0.0 for one in rounds) for key in rounds[0]}
        pairs = list(zip(rounds, results["fer"], strict=True))
        faster = statistics.median(one["fps"] / fer["fps"] for one, fer in pairs)
        cpu = statistics.median(one["cpu_ms"] / fer["cpu_ms"] for one, fer in pairs)
        memory = statistics.median(one["rss_mb"] / fer["rss_mb"] for one, fer in pairs)
        numbers = f"{middle['fps']:.1f} | {faster:.1f}x | {middle['cpu_ms']:.2f} ms | {cpu:.3f} | {middle['faces']:.2f}"
        lines.append(f"| {name} | {numbers} | {middle['rss_mb']:.0f} MB | {memory:.2f} | {middle['first_s']:.2f} s |")
    return "\n".join(lines)


def compete(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """By contender the figures of each round, all on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # and all that is started from here
    pythons = {"fer": peers_python(args.venv)}
    if importlib.util.find_spec("tensorflow"):
        pythons["reference loop"] = sys.executable
    if args.yunet:
        pythons["OpenCV: YuNet + ONNX"] = sys.executable
    results: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        onnx = Path(name) / "classifier.onnx"
        subprocess.run([pythons["fer"], __file__, "--clip", "-", "--make-onnx", str(onnx)], check=True)
        for _ in range(args.rounds):
            for contender, python in pythons.items():
                results.setdefault(contender, []).append(measure(python, contender, args, onnx))
            for detector in detectors(args):
                if found := measure_edge_fer(detector, args, Path(name)):
                    results.setdefault(f"edge-fer, {detector}", []).append(found)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare edge-fer with its peers on one film and one core.")
    parser.add_argument("--clip", type=Path, required=True, help="film with a face in it")
    parser.add_argument("--yunet", type=Path, help="file of the YuNet detector; without it nothing runs with YuNet")
    parser.add_argument("--venv", type=Path, default=Path("build/peers"), help="environment of fer (%(default)s)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures of every round to this file")
    for hidden in ("--contender", "--onnx", "--make-onnx"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make_onnx:
        make_onnx(Path(args.make_onnx))
        return
    if args.contender:
        run_contender(args)
        return
    results = compete(args)
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")
    sys.stdout.write(table(results) + "\n")


if __name__ == "__main__":
    main()
