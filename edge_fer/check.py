"""`edge-fer check`: does everything that the configuration names work here, and how fast?"""

import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Final, TextIO

import cv2
import numpy as np

from edge_fer import __version__, board, tflite
from edge_fer.assembly import broker_access
from edge_fer.camera import EndOfStream, open_source
from edge_fer.card import find_model, load_model_files, shipped_models
from edge_fer.config import Config
from edge_fer.detect import open_detector
from edge_fer.errors import EdgeFerError
from edge_fer.preprocess import to_model_input
from edge_fer.publish.mqtt import try_broker
from edge_fer.records import Frame, GrayImage
from edge_fer.threads import Work, advise, candidates, measure_threads

CAMERA_S: Final = 2.0
REPEATS: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it works, and a sentence about it."""

    name: str
    works: bool
    text: str


class Examination:
    """Looks at the parts of a configuration, one after the other; the camera's last frame is what is searched."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pixels: GrayImage = np.zeros((config.camera.height, config.camera.width), np.uint8)

    def findings(self) -> list[Finding]:
        """Everything that was found; one part that fails keeps no other from being looked at."""
        looks: dict[str, Callable[[], str]] = {
            "machine": _machine,
            "versions": _versions,
            "camera": self._camera,
            "detector": self._detector,
            "model": self._model,
            "threads": self._threads,
            "broker": self._broker,
        }
        return [_look(name, look) for name, look in looks.items()]

    def _camera(self) -> str:
        with closing(open_source(self._config.camera)) as source:
            frames, began_s = 0, time.monotonic()
            try:
                while time.monotonic() - began_s < CAMERA_S:
                    self._pixels = source.read().pixels
                    if frames == 0:
                        began_s = time.monotonic()  # the first frame pays for the camera's start
                    frames += 1
            except EndOfStream:
                pass
            spent_s = max(time.monotonic() - began_s, 1e-9)
            return f"{source.name}: {source.details}, delivers {max(frames - 1, 0) / spent_s:.1f} frames/s"

    def _detector(self) -> str:
        detector = open_detector(self._config.detector, threads=self._config.threads)
        frame = self._frame()
        faces = detector.detect(frame)
        spent_ms = _median_ms(lambda: detector.detect(frame))
        seen = f"{len(faces)} face{'s' if len(faces) != 1 else ''} in the last frame"
        return f"{detector.name}, {spent_ms:.1f} ms per frame, {seen}"

    def _model(self) -> str:
        path = find_model(self._config.model)
        card, content = load_model_files(path)
        network = tflite.Network(content, card, threads=self._config.threads)
        model_input = to_model_input(np.zeros(card.input_size, np.uint8))
        spent_ms = _median_ms(lambda: network.logits(model_input))
        shipped = ", ".join(shipped_models())
        return f"{card.name} {card.sha256[:12]}, {len(content)} bytes, {spent_ms:.2f} ms per face (shipped: {shipped})"

    def _threads(self) -> str:
        configured = self._config.threads
        counts = candidates(configured, cores=len(os.sched_getaffinity(0)))
        if len(counts) == 1:
            return f"{configured}, as this machine has one core to use"
        try:
            return advise(measure_threads(counts, self._dearest_frame), configured)
        except EdgeFerError:
            return "not measured, since detector or model cannot be used"

    def _dearest_frame(self, threads: int) -> Work:
        """What the loop does at most in a frame with one face: search all of it, and judge."""
        detector = open_detector(self._config.detector, threads=threads)
        card, content = load_model_files(find_model(self._config.model))
        network = tflite.Network(content, card, threads=threads)
        frame, model_input = self._frame(), to_model_input(np.zeros(card.input_size, np.uint8))
        return lambda: (detector.detect(frame), network.logits(model_input))

    def _frame(self) -> Frame:
        return Frame(self._pixels, 0.0, 0)

    def _broker(self) -> str:
        mqtt = self._config.mqtt
        if not mqtt.enabled:
            return "not asked for (mqtt.enabled is false)"
        version = try_broker(**broker_access(mqtt))
        credentials = f"user {mqtt.username} accepted" if mqtt.username else "accepted without a user name"
        return f"{mqtt.host}:{mqtt.port} speaks MQTT {version}, {credentials}"


def run_check(config: Config, out: TextIO, *, as_json: bool) -> int:
    """Look at everything, print what was found; 0 if all of it works, else 1."""
    findings = Examination(config).findings()
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2), file=out)
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.works else 'FAIL'}  {finding.name:9} {finding.text}", file=out)
    return 0 if all(finding.works for finding in findings) else 1


def _look(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, works=True, text=look())
    except EdgeFerError as error:
        return Finding(name, works=False, text=str(error))


def _machine() -> str:
    return f"{board.model_name()}, {platform.system()} {platform.release()}{describe_strain(board.strain())}"


def describe_strain(seen: board.Strain) -> str:
    """Temperature, throttling and supply, as far as they are known, to follow a board's name."""
    text = "" if seen.temperature_c is None else f", {seen.temperature_c:.0f} °C"
    if seen.throttled is not None:
        text += ", slowed down" if seen.throttled else ", at full speed"
    if seen.under_voltage is not None:
        text += ", power supply too weak" if seen.under_voltage else ", power supply sufficient"
    return text


def _versions() -> str:
    others = {name: importlib.metadata.version(name) for name in ("numpy", "paho-mqtt")}
    listed = {"edge-fer": __version__, "Python": platform.python_version(), "OpenCV": cv2.__version__} | others
    return ", ".join([*(f"{name} {version}" for name, version in listed.items()), tflite.runtime_version()])


def _median_ms(work: Callable[[], object]) -> float:
    spent_ns = []
    for _ in range(REPEATS):
        began_ns = time.perf_counter_ns()
        work()
        spent_ns.append(time.perf_counter_ns() - began_ns)
    return statistics.median(spent_ns) / 1e6
