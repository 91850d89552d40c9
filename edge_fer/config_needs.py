"""What a configuration names: whether the daemon would find it, and could use it.

No camera, broker or network is opened, so none of them needs to be there: the daemon waits for those.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edge_fer.assembly import broker_access
from edge_fer.camera.address import parse_source
from edge_fer.card import find_model, load_model_files
from edge_fer.classify import crop_margin
from edge_fer.config import Config
from edge_fer.detect import open_detector
from edge_fer.errors import EdgeFerError
from edge_fer.publish.paho import tls_context
from edge_fer.tflite import Network
from edge_fer.web.live_page import check_certificate


def unusable(config: Config) -> Iterator[str]:
    """For each thing that keeps the daemon from starting, `key: what is wrong, and what would be right`."""
    mqtt, detectors = config.mqtt, list[str]()
    detector_key = "detector.kind" if config.detector.model is None else "detector.model"
    looks: dict[str, Callable[[], object]] = {
        "camera.source: ": lambda: parse_source(config.camera.source),
        f"{detector_key}: ": lambda: detectors.append(open_detector(config.detector, threads=config.threads).name),
        "model: ": lambda: _open_model(config, detectors),
    }
    if mqtt.enabled and (tls := broker_access(mqtt)["tls"]) is not None:
        looks[""] = lambda: tls_context(tls)  # says itself which key it is
    if config.web.enabled:
        looks["web.cert_file: "] = lambda: check_certificate(config.web)
    for key, look in looks.items():
        try:
            look()
        except EdgeFerError as error:
            yield f"{key}{error}"
    if mqtt.enabled and mqtt.events.spool is not None:
        yield from _spool_problems(mqtt.events.spool)


def _open_model(config: Config, detectors: Sequence[str]) -> None:
    """With the detector that was opened before, if it could be."""
    card, content = load_model_files(find_model(config.model))
    Network(content, card, threads=config.threads)
    for detector in detectors:
        crop_margin(card, detector)


def _spool_problems(spool: Path) -> Iterator[str]:
    """Of its place alone: the file is locked by the daemon that runs."""
    if spool.is_dir():
        yield f"mqtt.events.spool: {spool} is a folder; name a file"
    elif not (spool.parent.is_dir() and os.access(spool.parent, os.W_OK)):
        yield f"mqtt.events.spool: {spool.parent} is no folder that can be written to; name a file in one that is"
