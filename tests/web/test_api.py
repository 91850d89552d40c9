"""The documented interface: what OpenAPI says is what is answered, and Prometheus' own parser reads the metrics."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_fer import __version__
from edge_fer.config import WebConfig
from edge_fer.password import hash_password, make_token
from edge_fer.records import LABELS, Frame, Reading
from edge_fer.stages import BUCKETS_S, Histogram
from edge_fer.web import LivePage, Status, Totals
from edge_fer.web.access import Access
from edge_fer.web.app import make_app
from edge_fer.web.feed import Feed
from edge_fer.web.guard import Hosts

DOCUMENT = json.loads(files("edge_fer.web").joinpath("openapi.json").read_text())
STATUS = Status(
    device="kitchen",
    fps=25.0,
    latency_ms={"detect": 9.5},
    camera="pattern",
    camera_online=True,
    camera_error=None,
    paused=False,
    broker="localhost:1883",
    broker_online=None,
    model="emotion",
    detector="haar",
    temperature_c=51.5,
    totals=Totals(
        frames=40, dropped=2, reconnects=1, stages={"detect": Histogram((0,) * 4 + (30, 10) + (0,) * 6, 0.345)}
    ),
)
READING = Reading(1.0, 3, "happy", 0.88, dict.fromkeys(LABELS, 0.02) | {"happy": 0.88}, (0.1, 0.2, 0.3, 0.4), 2.0)


@pytest.fixture(scope="module")
def page() -> Iterator[LivePage]:
    page = LivePage(WebConfig(port=0, pictures=True), ask=lambda _wish: None)
    page.start()
    yield page
    page.close()


@pytest.fixture(scope="module")
def client(page: LivePage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.address, timeout=20, trust_env=False) as client:
        yield client


def check(answer: httpx.Response, path: str) -> Any:
    """The answer's content, which is what the document says of it."""
    operation = DOCUMENT["paths"][path][answer.request.method.lower()]
    declared = operation["responses"][str(answer.status_code)]
    if "content" not in declared:
        assert answer.content == b""
        return None
    kind = answer.headers["content-type"].split(";")[0]
    schema = declared["content"][kind]["schema"]
    if kind == "application/json":
        jsonschema.Draft202012Validator(schema | {"components": DOCUMENT["components"]}).validate(answer.json())
        return answer.json()
    return answer.content


def test_every_address_and_method_is_documented() -> None:
    access = Access(password_hash=None, token_hash=None, cookie="c", secure=False, clock=lambda: 0.0)
    feed = Feed(encode=None, clock=lambda: 0.0)
    app = make_app(feed, ask=lambda _wish: None, access=access, hosts=Hosts((), addresses=False))
    static = {f"/{file.name}" for file in files("edge_fer.web").joinpath("static").iterdir()} | {"/", "/login"}
    served = {
        (route.path, method.lower())  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods - {"HEAD"}  # type: ignore[attr-defined]
        if route.path not in static  # type: ignore[attr-defined]
    }
    assert served == {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}


def test_answers_are_what_is_documented(client: httpx.Client, page: LivePage) -> None:
    assert check(client.get("/api/openapi.json"), "/api/openapi.json") == DOCUMENT
    check(client.get("/api/state"), "/api/state")
    check(client.get("/healthz"), "/healthz")
    check(client.get("/picture.jpg"), "/picture.jpg")
    page.update(Frame(np.zeros((48, 64), np.uint8), 0.0, 0), [READING], STATUS)
    assert check(client.get("/api/state"), "/api/state")["status"]["temperature_c"] == 51.5
    [face] = check(client.get("/api/history"), "/api/history")["faces"]
    assert (face["track"], face["scores"]["happy"]) == (3, [0.88])
    assert check(client.get("/healthz"), "/healthz")["status"] == "ok"
    assert check(client.get("/picture.jpg"), "/picture.jpg").startswith(b"\xff\xd8")
    token = check(client.get("/api/session"), "/api/session")["token"]
    headers = {"x-edge-fer-token": token}
    for name in ("pause", "reload"):
        check(client.post(f"/api/commands/{name}", headers=headers), "/api/commands/{name}")
    check(client.post("/api/commands/pause"), "/api/commands/{name}")
    check(client.post("/api/commands/pause", headers={"origin": "http://evil.example"}), "/api/commands/{name}")
    check(client.post("/api/login", json={"password": "correct horse"}), "/api/login")
    check(client.post("/api/logout"), "/api/logout")
    check(client.get("/api/state", headers={"host": "evil.example"}), "/api/state")


def test_prometheus_can_read_the_metrics(client: httpx.Client, page: LivePage) -> None:
    page.update(Frame(np.zeros((48, 64), np.uint8), 0.0, 0), [READING], STATUS)
    text = check(client.get("/metrics"), "/metrics").decode()
    samples = {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("edge_fer")
    }
    encoded = samples.pop(("edge_fer_pictures_encoded_total",))
    assert encoded <= 1
    buckets: dict[tuple[str, ...], float] = {
        ("edge_fer_stage_seconds_bucket", f"{b}", "detect"): 0.0 for b in BUCKETS_S[:4]
    }
    more: dict[tuple[str, ...], float] = {
        ("edge_fer_info", "haar", "kitchen", "emotion", __version__): 1,
        ("edge_fer_frames_total",): 40,
        ("edge_fer_frames_dropped_total",): 2,
        ("edge_fer_camera_reconnects_total",): 1,
        ("edge_fer_frames_per_second",): 25,
        ("edge_fer_faces",): 1,
        ("edge_fer_camera_online",): 1,
        ("edge_fer_paused",): 0,
        ("edge_fer_temperature_celsius",): 51.5,
        ("edge_fer_stage_seconds_bucket", "0.01", "detect"): 30,
        **{("edge_fer_stage_seconds_bucket", f"{b}", "detect"): 40 for b in (*BUCKETS_S[5:], "+Inf")},
        ("edge_fer_stage_seconds_count", "detect"): 40,
        ("edge_fer_stage_seconds_sum", "detect"): 0.345,
    }
    assert samples == buckets | more
    assert "process_resident_memory_bytes" in text


def test_without_prometheus_only_the_metrics_are_missing() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import httpx; from edge_fer.config import WebConfig; from edge_fer.web import LivePage\n"
        "page = LivePage(WebConfig(port=0), ask=print); page.start()\n"
        "for path in ('api/state', 'metrics'):\n"
        "    answer = httpx.get(page.address + path, trust_env=False); print(answer.status_code, answer.text[:99])\n"
        "page.close()\n"
    )
    state, metrics = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert state.startswith("200 ")
    assert metrics == ('501 {"error":"prometheus_client is not installed; run `pip install \'edge-fer[metrics]\'`."}')


@pytest.mark.slow
def test_schemathesis_finds_nothing_and_never_holds_up_the_loop(tmp_path: Path) -> None:
    """Hundreds of requests, right and wrong, made of the document; the events are left out, since they never end."""
    token, token_hash = make_token()
    web = {"port": 0, "pictures": True, "password_hash": hash_password("correct horse"), "token_hash": token_hash}
    page = LivePage(WebConfig.model_validate(web), ask=lambda _wish: None)
    page.start()
    over = threading.Event()
    waits_s: list[float] = []

    def loop() -> None:
        while not over.wait(1 / 30):
            began_s = time.perf_counter()
            page.update(Frame(np.zeros((48, 64), np.uint8), 0.0, 0), [READING], STATUS)
            waits_s.append(time.perf_counter() - began_s)

    thread = threading.Thread(target=loop)
    thread.start()
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{page.address}api/openapi.json"]
    command += ["--url", page.address.rstrip("/"), "--header", f"Authorization: Bearer {token}"]
    command += ["--exclude-path", "/api/events", "--max-examples", "50", "--checks", checks]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    over.set()
    thread.join()
    page.close()
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(waits_s) < 0.1
    assert len(waits_s) > 30
