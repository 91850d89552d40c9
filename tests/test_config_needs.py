"""`edge-fer config --check`, of what a configuration names: whether the daemon would start with it."""

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from edge_fer.configfile import check_config
from edge_fer.errors import ConfigError
from tests.conftest import require

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No detector is installed, whatever this machine has; and relative paths begin in the test's folder."""
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path / "no-models"))
    monkeypatch.chdir(tmp_path)


def problems(text: str) -> list[str]:
    path = Path("edge-fer.yaml")
    path.write_text(text, encoding="utf-8")
    try:
        check_config(path, {})
    except ConfigError as error:
        return [problem.removeprefix(f"{path}:") for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "threads: 1\nmodel: nosuch\n",
            "2: model: there is no shipped model called 'nosuch': shipped are emotion, nano; "
            "a model of your own is given as path/to/NAME.tflite",
        ),
        ("model: none/x.tflite\n", "1: model: none/x.tflite: the model cannot be read: No such file or directory"),
        (
            "detector: {kind: yunet}\n",
            "1: detector.kind: detector yunet: there is no {folder}/no-models/face_detection_yunet_2023mar.onnx; "
            "run `edge-fer models pull`, or set detector.kind to edge",
        ),
        (
            "detector:\n  model: mine.tflite\n",
            "2: detector.model: mine.tflite: cannot be read: No such file or directory; "
            "the detector is two files, NAME.tflite and NAME.json",
        ),
        (
            "camera: {source: nofile.mp4}\n",
            "1: camera.source: camera source 'nofile.mp4' does not exist; right would be a camera's index, "
            "/dev/videoN, picamera2, an rtsp:// or http:// address, a video file, a folder of images, or pattern",
        ),
        (
            "mqtt:\n  tls:\n    enabled: true\n    ca_file: ca.pem\n",
            "4: mqtt.tls.ca_file: ca.pem cannot be used (No such file or directory), give a PEM file of certificates",
        ),
        (
            "mqtt:\n  events: {spool: none/spool}\n",
            "2: mqtt.events.spool: none is no folder that can be written to; name a file in one that is",
        ),
        ("mqtt: {events: {spool: .}}\n", "1: mqtt.events.spool: . is a folder; name a file"),
        (
            "web: {enabled: true, cert_file: c.pem, key_file: k.pem}\n",
            "1: web.cert_file: the live page: c.pem and k.pem cannot be used: No such file or directory; "
            "give a certificate and its private key, both PEM, without a passphrase",
        ),
    ],
)
def test_one_clear_sentence_for_each_thing_that_is_not_there(text: str, problem: str, tmp_path: Path) -> None:
    assert problems(text) == [problem.replace("{folder}", str(tmp_path))]


def test_a_model_that_was_not_fitted_to_the_detector() -> None:
    card = json.loads(TINY.with_suffix(".json").read_text())
    Path("tiny.tflite").write_bytes(TINY.read_bytes())
    Path("tiny.json").write_text(json.dumps({**card, "crop_margins": {"haar": card["crop_margins"]["haar"]}}))
    assert problems("model: tiny.tflite\ndetector: {kind: haar}\n") == []
    assert problems("model: tiny.tflite\n") == [
        "1: model: model tiny: its card has no crop margin for detector edge (it has: haar); "
        "`edge-fer-quantize fit-crop` adds one"
    ]


def test_all_of_it_is_told_at_once_with_its_lines() -> None:
    told = problems(
        "model: nosuch\ncamera: {source: none/}\nmqtt: {events: {spool: none/spool}}\ndetector: {kind: yunet}\n"
    )
    assert [problem.split(":")[:2] for problem in told] == [
        ["1", " model"],
        ["2", " camera.source"],
        ["3", " mqtt.events.spool"],
        ["4", " detector.kind"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "camera: {source: 99}\n",
        "camera: {source: /dev/video99}\n",
        "camera: {source: picamera2}\n",
        "camera: {source: 'rtsp://camera.invalid/live'}\n",
        "camera: {source: .}\n",
        f"model: {TINY}\ndetector: {{kind: haar}}\n",
        "mqtt: {host: broker.invalid, events: {spool: spool}}\n",
        "mqtt: {tls: {ca_file: ca.pem}}\n",
        "mqtt: {enabled: false, events: {spool: none/spool}, tls: {enabled: true, ca_file: ca.pem}}\n",
        "web: {cert_file: c.pem, key_file: k.pem}\n",
    ],
)
def test_what_may_come_back_or_is_not_used_is_not_looked_at(text: str) -> None:
    assert problems(text) == []
    assert [path.name for path in Path().iterdir()] == ["edge-fer.yaml"]


def test_a_spool_that_the_daemon_holds_is_left_alone() -> None:
    database = sqlite3.connect("spool", isolation_level=None)
    database.execute("PRAGMA locking_mode=EXCLUSIVE")
    database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY)")
    assert problems("mqtt: {events: {spool: spool}}\n") == []
    database.close()


@pytest.mark.real
def test_certificates_that_can_be_used_are_right() -> None:
    command = [require("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*command, "-subj", "/CN=x", "-keyout", "k.pem", "-out", "c.pem"], check=True, capture_output=True)
    both = "cert_file: c.pem, key_file: k.pem"
    assert problems(f"web: {{enabled: true, {both}}}\nmqtt: {{tls: {{enabled: true, ca_file: c.pem, {both}}}}}\n") == []
