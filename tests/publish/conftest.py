"""What several tests of the publisher share."""

import dataclasses
import logging
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import LABELS, Reading
from edge_fer.stages import Percentiles
from tests.samples import INFO

MakeReading: TypeAlias = Callable[..., Reading]


@pytest.fixture
def make_reading() -> MakeReading:
    """A reading of one face with 0.7 on its emotion; `width` and height are in fractions of the frame."""

    def make(track: int = 1, emotion: str = "happy", width: float = 0.2, confidence: float = 0.7) -> Reading:
        rest = (1 - confidence) / (len(LABELS) - 1)
        scores = {label: confidence if label == emotion else rest for label in LABELS}
        if emotion not in LABELS:
            scores = dict.fromkeys(LABELS, 1 / len(LABELS))
        return Reading(12.5, track, emotion, confidence, scores, (0.1, 0.2, width, width), 2.4)

    return make


@pytest.fixture
def info() -> Info:
    return dataclasses.replace(INFO, camera="rtsp://camera.local:554/stream1", started_at_s=1769860682.0)


@pytest.fixture
def report() -> HealthReport:
    stages = {
        "detect": Percentiles(p50_ms=21.2999, p90_ms=24.0, p95_ms=25.0, p99_ms=31.75),
        "classify": Percentiles(p50_ms=0.9, p90_ms=1.0, p95_ms=1.1, p99_ms=1.8),
    }
    return HealthReport(
        fps=14.987, stages=stages, dropped_frames=12, camera_reconnects=1, rss_mb=91.44, temperature_c=54.21
    )


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate authority with one certificate for 127.0.0.1 and one for a client."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=tmp_path, check=True, capture_output=True)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other-ca"):
        # Python 3.13 asks an authority for its key usage, and a certificate for its authority's key (RFC 5280).
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        openssl(
            "req", "-x509", *new_key, *usage, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem"
        )
    identified = "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    (tmp_path / "server.ext").write_text(f"{identified}subjectAltName=IP:127.0.0.1")
    (tmp_path / "client.ext").write_text(f"{identified}extendedKeyUsage=clientAuth")
    for name in ("server", "client"):
        openssl("req", *new_key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
    return tmp_path


class Message(Protocol):
    """What the subscriber hands out."""

    topic: str
    payload: str
    qos: int
    retained: bool

    @property
    def json(self) -> Any: ...


@pytest.fixture
def open_sink() -> Iterator[Callable[..., MqttSink]]:
    """Connects sinks for the device kitchen and closes them in the end."""
    with ExitStack() as stack:

        def make(broker: Any, **options: Any) -> MqttSink:
            sink = connect(device="kitchen", **({"host": broker.host, "port": broker.port} | options))
            stack.callback(sink.close)
            return sink

        yield make


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {timeout_s} s")
        time.sleep(0.005)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
