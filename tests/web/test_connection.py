"""How a connection is dropped: timers and transport are hand-written, HTTP is real."""

from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from edge_fer.web.connection import REQUEST_S, STALL_S, Connection

HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


class Timer:
    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """Keeps timers and tasks, and runs none."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay_s, callback))
        return self.timers[-1]

    def create_task(self, work: Any, **_: Any) -> "Task":
        work.close()
        return Task()

    def running(self) -> list[float]:
        return [timer.delay_s for timer in self.timers if not timer.cancelled]


class Task:
    def add_done_callback(self, _callback: Any) -> None: ...


class Transport:
    def __init__(self) -> None:
        self.aborted = False
        self.closed = False

    def get_extra_info(self, _name: str) -> None:
        return None

    def is_closing(self) -> bool:
        return self.aborted or self.closed

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True

    def write(self, _data: bytes) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Scene:
    def __init__(self) -> None:
        app: Any = object()  # tasks never run here
        config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, log_level="error")
        config.load()
        self.loop = Loop()
        self.transport = Transport()
        self.connection = Connection(config, ServerState(), {}, _loop=self.loop)  # type: ignore[arg-type]
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def fire(self, delay_s: float) -> None:
        [timer] = [timer for timer in self.loop.timers if not timer.cancelled and timer.delay_s == delay_s]
        timer.callback()


def test_silence_is_cut_off() -> None:
    scene = Scene()
    assert scene.loop.running() == [REQUEST_S]
    scene.fire(REQUEST_S)
    assert scene.transport.aborted


def test_a_head_that_trickles_in_gains_no_time() -> None:
    scene = Scene()
    for byte in HEAD:
        scene.connection.data_received(bytes([byte]))
    assert scene.loop.running() == [REQUEST_S]
    assert len(scene.loop.timers) == 1


def test_a_request_may_take_its_time_and_the_next_one_may_not() -> None:
    scene = Scene()
    scene.connection.data_received(HEAD + b"\r\n")
    assert scene.loop.running() == []
    scene.connection.cycle.response_complete = True
    scene.connection.data_received(HEAD)
    assert scene.loop.running() == [REQUEST_S]


def test_nonsense_is_answered_and_closed() -> None:
    scene = Scene()
    scene.connection.data_received(b"\x16\x03\x01\x00 nonsense\r\n\r\n")
    assert scene.transport.closed
    scene.connection.connection_lost(None)
    assert scene.loop.running() == []


def test_somebody_who_does_not_read_is_cut_off() -> None:
    scene = Scene()
    scene.connection.data_received(HEAD + b"\r\n")
    scene.connection.pause_writing()
    scene.connection.resume_writing()
    assert scene.loop.running() == []
    scene.connection.pause_writing()
    scene.fire(STALL_S)
    assert scene.transport.aborted
    scene.connection.connection_lost(None)
    assert scene.loop.running() == []
