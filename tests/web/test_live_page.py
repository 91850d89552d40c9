import contextlib
import json
import logging
import random
import re
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from edge_fer.config import WebConfig
from edge_fer.records import LABELS, Frame, Reading
from edge_fer.web import LivePage, PageError, Status, Totals
from edge_fer.web.commands import Ask
from edge_fer.web.listener import MOST_CONNECTIONS
from tests.clocks import Clock

STATUS = Status(
    device="kitchen",
    fps=25.0,
    latency_ms={"detect": 9.5},
    camera="pattern",
    camera_online=True,
    camera_error=None,
    paused=False,
    broker="localhost:1883",
    broker_online=True,
    model="emotion",
    detector="haar",
    temperature_c=51.5,
    totals=Totals(),
)


class Encoder:
    """Stands for JPEG: the frame's index as text, padded where a picture must be large; counts its work."""

    def __init__(self) -> None:
        self.encoded: list[int] = []
        self.padding = b""

    def __call__(self, frame: Frame) -> bytes:
        if frame.index < 0:
            raise ValueError("no picture has a negative index")
        self.encoded.append(frame.index)
        return f"picture {frame.index}".encode() + self.padding


def frame(index: int) -> Frame:
    return Frame(np.zeros((48, 64), np.uint8), time_s=index / 30, index=index)


def reading(track: int) -> Reading:
    scores = dict.fromkeys(LABELS, 0.02) | {"happy": 0.88}
    return Reading(1.0, track, "happy", 0.88, scores, (0.1, 0.2, 0.3, 0.4), 2.0)


def live_page(
    encoder: Encoder, *, ask: Ask = lambda _wish: None, clock: Callable[[], float] = time.monotonic, **settings: Any
) -> LivePage:
    """A page on a free port, unless the settings say otherwise."""
    web = WebConfig(**({"port": 0, "pictures": True} | settings))
    return LivePage(web, ask=ask, encode=encoder, clock=clock)


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def page(encoder: Encoder) -> Iterator[LivePage]:
    page = live_page(encoder)
    page.start()
    yield page
    page.close()


@pytest.fixture
def client(page: LivePage) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.address, timeout=20, trust_env=False) as client:
        yield client


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The states of an event stream, without those that only say that nothing is new."""
    seen = -1
    for line in lines:
        if line.startswith("data: ") and line != "data: {}":
            state = json.loads(line.removeprefix("data: "))
            if state["seq"] != seen:
                yield state
            seen = state["seq"]


@pytest.fixture
def hang(page: LivePage) -> Iterator[Callable[[str], None]]:
    """Adds a viewer that asks for a path and never reads."""
    viewers: list[socket.socket] = []

    def add(path: str) -> None:
        viewer = socket.socket()
        viewers.append(viewer)
        viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        viewer.connect(("127.0.0.1", httpx.URL(page.address).port))
        viewer.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    yield add
    for viewer in viewers:
        viewer.close()


def test_events_follow_updates(client: httpx.Client, page: LivePage) -> None:
    with client.stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        states = events(answer.iter_lines())
        assert next(states)["status"] is None
        for track in (4, 5):
            page.update(frame(track), [reading(track)], STATUS)
            state = next(states)
            assert [face["track"] for face in state["faces"]] == [track]
        page.update(None, [], replace(STATUS, camera_online=False))
        state = next(states)
    assert (state["seq"], state["size"], state["status"]["camera"]) == (
        3,
        [64, 48],
        {"name": "pattern", "online": False, "error": None},
    )


def test_the_picture_is_the_newest_and_made_once_for_everybody(
    client: httpx.Client, page: LivePage, encoder: Encoder
) -> None:
    assert client.get("/picture.jpg").status_code == 204
    with client.stream("GET", "/api/events") as answer:
        states = events(answer.iter_lines())
        next(states)
        for index in (7, 8):
            page.update(frame(index), [], STATUS)
            seq = next(states)["seq"]
            for _ in range(5):
                picture = client.get("/picture.jpg")
                assert picture.content == b"picture %d" % index
                assert (picture.headers["content-type"], picture.headers["picture-seq"]) == ("image/jpeg", str(seq))
                assert picture.headers["cross-origin-resource-policy"] == "same-origin"
    assert encoder.encoded == [7, 8]


def test_nothing_is_encoded_when_nobody_looks(client: httpx.Client, page: LivePage, encoder: Encoder) -> None:
    for index in range(1000):
        page.update(frame(index), [reading(1)], STATUS)
    assert client.get("/api/state").json()["size"] == [64, 48]
    assert encoder.encoded == []


def test_with_pictures_off_none_is_kept_encoded_or_served(encoder: Encoder) -> None:
    page = live_page(encoder, pictures=False)
    page.start()
    seen = frame(3)
    pixels = weakref.ref(seen.pixels)
    page.update(seen, [reading(1)], STATUS)
    del seen
    assert pixels() is None
    state = httpx.get(f"{page.address}api/state", trust_env=False).json()
    answer = httpx.get(f"{page.address}picture.jpg", trust_env=False)
    page.close()
    assert (state["pictures"], state["size"], [face["track"] for face in state["faces"]]) == (False, [64, 48], [1])
    assert (answer.status_code, answer.text) == (404, "Pictures are off: web.pictures is false.\n")
    assert encoder.encoded == []


def test_viewers_that_hang_do_not_hold_up_the_loop_or_others(
    client: httpx.Client, page: LivePage, encoder: Encoder, hang: Callable[[str], None]
) -> None:
    encoder.padding = bytes(8_000_000)  # more than the kernel takes for somebody who does not read
    page.update(frame(0), [reading(0)], STATUS)
    for path in ("/picture.jpg", "/picture.jpg", "/picture.jpg", "/api/events", "/"):
        hang(path)
    with client.stream("GET", "/api/events") as answer:
        states = events(answer.iter_lines())
        next(states)
        for index in range(1, 2001):
            page.update(frame(index), [reading(index)], STATUS)
        assert any(state["faces"][0]["track"] == 2000 for state in states)
        assert client.get("/picture.jpg").content.startswith(b"picture 2000\0")
    assert len(encoder.encoded) < 50


def test_close_cuts_everybody_off_and_frees_the_port(
    page: LivePage,
    client: httpx.Client,
    encoder: Encoder,
    hang: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    encoder.padding = bytes(8_000_000)
    page.update(frame(0), [], STATUS)
    for path in ("/picture.jpg", "/picture.jpg", "/api/events"):
        hang(path)
    with client.stream("GET", "/api/events") as answer:
        states = events(answer.iter_lines())
        assert next(states)["seq"] == 1
        serving = threading.active_count()
        page.close()
        assert threading.active_count() == serving - 1
        assert list(states) == []
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []  # nothing had to be cancelled
    successor = live_page(encoder, port=httpx.URL(page.address).port)
    successor.start()
    successor.close()


def test_viewers_hear_that_the_page_closes(client: httpx.Client, page: LivePage) -> None:
    with client.stream("GET", "/api/events") as answer:
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith("data: "))
        page.close()
        assert [line for line in lines if line and not line.startswith('data: {"')] == ["event: stopped", "data: {}"]


def test_close_may_come_early_late_and_twice(page: LivePage, encoder: Encoder) -> None:
    live_page(encoder).close()
    early = live_page(encoder)
    early.start()
    early.close()
    page.close()
    page.close()
    page.update(frame(0), [], STATUS)


def test_a_taken_port_is_said_in_one_sentence(page: LivePage, encoder: Encoder) -> None:
    port = httpx.URL(page.address).port or 0
    with pytest.raises(PageError) as caught:
        live_page(encoder, port=port).start()
    assert str(caught.value) == (
        f"the live page: port {port} on 127.0.0.1 is taken by another program; set web.port to a free one"
    )


def test_an_address_that_is_not_ours_is_said_in_one_sentence() -> None:
    with pytest.raises(PageError, match=r"^the live page: cannot listen at port 0 on 192\.0\.2\.1: \w"):
        LivePage(WebConfig.model_construct(host="192.0.2.1", port=0), ask=print).start()


def test_the_address_can_be_typed_into_a_browser(page: LivePage, encoder: Encoder) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:[1-9]\d*/", page.address)
    assert live_page(encoder, host="::1", port=8080).address == "http://[::1]:8080/"
    assert live_page(encoder, host="localhost", port=8080).address == "http://localhost:8080/"


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_every_loopback_name_can_be_listened_on(host: str, encoder: Encoder) -> None:
    if ":" in host:
        try:
            socket.create_server((host, 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
    page = live_page(encoder, host=host)
    page.start()
    assert httpx.get(f"{page.address}api/state", trust_env=False).json()["seq"] == 0
    page.close()


def test_too_many_viewers_are_turned_away(page: LivePage, hang: Callable[[str], None]) -> None:
    for _ in range(MOST_CONNECTIONS):
        hang("/api/events")
    with pytest.raises(httpx.TransportError):
        httpx.get(page.address, trust_env=False)


@pytest.mark.parametrize("sent", ["nothing", "half a head", "nonsense"])
def test_attackers_neither_hold_up_the_loop_nor_close_the_page(client: httpx.Client, page: LivePage, sent: str) -> None:
    rng = random.Random(7)  # noqa: S311
    attackers: list[socket.socket] = []
    longest_s = 0.0
    with client.stream("GET", "/api/events") as answer, contextlib.ExitStack() as stack:
        states = events(answer.iter_lines())
        next(states)
        for index in range(300):
            attackers.append(
                stack.enter_context(socket.create_connection((client.base_url.host, client.base_url.port)))
            )
            with contextlib.suppress(OSError):
                attackers[-1].sendall(
                    {"nothing": b"", "half a head": b"GET / HTTP/1.1\r\nX-A: ", "nonsense": rng.randbytes(3000)}[sent]
                )
            began_s = time.perf_counter()
            page.update(frame(index), [reading(index)], STATUS)
            longest_s = max(longest_s, time.perf_counter() - began_s)
        assert any(state["faces"] and state["faces"][0]["track"] == 299 for state in states)
    assert longest_s < 0.05
    assert eventually(lambda: httpx.get(page.address, trust_env=False).status_code == 200)


def eventually(attempt: Callable[[], bool], timeout_s: float = 10) -> bool:
    """Whether an attempt succeeds before long; connections end in their own time."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        with contextlib.suppress(httpx.TransportError):
            if attempt():
                return True
        time.sleep(0.02)
    return False


def test_health_follows_the_inference_loop(encoder: Encoder) -> None:
    clock = Clock()
    page = live_page(encoder, clock=clock)
    page.start()
    address = f"{page.address}healthz"
    answers = [httpx.get(address, trust_env=False)]
    page.update(frame(0), [], STATUS)
    for _ in range(2):
        clock.now_s += 9.5
        answers.append(httpx.get(address, trust_env=False))
    page.close()
    assert [(answer.status_code, answer.json()) for answer in answers] == [
        (503, {"status": "starting", "silent_s": None}),
        (200, {"status": "ok", "silent_s": 9.5}),
        (503, {"status": "stalled", "silent_s": 19.0}),
    ]


def test_a_picture_that_cannot_be_made_is_an_error_of_that_request_alone(page: LivePage) -> None:
    page.update(frame(-1), [reading(1)], STATUS)
    assert httpx.get(f"{page.address}picture.jpg", trust_env=False).status_code == 500
    page.update(frame(1), [reading(1)], STATUS)
    assert httpx.get(f"{page.address}api/state", trust_env=False).status_code == 200


def test_a_page_that_died_is_noticed_by_the_loop(encoder: Encoder) -> None:
    class Broken:
        def run(self, sockets: list[socket.socket]) -> None:
            raise ValueError("a bug")

    page = live_page(encoder)
    with socket.socket() as listener, pytest.raises(ValueError, match="a bug"):
        page._serve(Broken(), listener)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="the live page's thread died"):
        page.update(frame(0), [], STATUS)


def test_the_extra_is_loaded_late_and_missed_in_one_sentence() -> None:
    program = (
        "import sys; from edge_fer.config import WebConfig; from edge_fer.web import LivePage, PageError\n"
        "print(sorted({'cv2', 'starlette', 'uvicorn'} & set(sys.modules)))\n"
        "sys.modules['uvicorn'] = None\n"
        "try: LivePage(WebConfig(), ask=print).start()\n"
        "except PageError as error: print(error)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == [
        "[]",
        "the live page needs uvicorn, which is not installed; run `pip install 'edge-fer[web]'`, "
        "or set web.enabled to false",
    ]
