"""Streams from real servers on loopback that die, hang and come back."""

import logging
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_fer.camera.capture import Capture
from edge_fer.camera.network import NetworkStream
from edge_fer.errors import CameraError
from tests.mjpeg import MjpegServer

pytestmark = pytest.mark.real

SOON_S = 30.0
SECRET = "hunter2"  # noqa: S105 - what must not be seen anywhere
SYSTEM_PYTHON = "/usr/bin/python3"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class RtspServer:
    """GStreamer's server as a process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.process = self.start()

    def start(self) -> "subprocess.Popen[str]":
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            [SYSTEM_PYTHON, str(script), str(self.port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self.process

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def rtsp_server(port: int) -> Iterator[RtspServer]:
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    try:
        missing = subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True, check=False).returncode != 0
    except FileNotFoundError:
        missing = True
    if missing:
        reason = "GStreamer's RTSP server is missing: apt install gir1.2-gst-rtsp-server-1.0 python3-gi"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    server = RtspServer(port)
    yield server
    server.kill()


@pytest.fixture
def mjpeg_server(port: int) -> Iterator[MjpegServer]:
    server = MjpegServer(port)
    yield server
    server.kill()


@pytest.fixture
def capture_of() -> Iterator[Callable[[str, str], Capture]]:
    captures: list[Capture] = []

    def make(url: str, name: str) -> Capture:
        captures.append(
            Capture(
                lambda: NetworkStream(url, name=name, open_timeout_s=5, read_timeout_s=1),
                name=name,
                live=True,
                open_timeout_s=5,
                stall_timeout_s=1,
                jitter=lambda: 1.0,
            )
        )
        return captures[-1]

    yield make
    for capture in captures:
        capture.stop()


def read_frames(capture: Capture, count: int) -> None:
    deadline_s = time.monotonic() + SOON_S
    while count:
        assert time.monotonic() < deadline_s, capture.state
        count -= capture.next(0.5) is not None


def wait_until_lost(capture: Capture) -> float:
    began_s = time.monotonic()
    while capture.state.online:
        assert time.monotonic() < began_s + SOON_S
        capture.next(0.5)
    return time.monotonic() - began_s


def test_an_rtsp_stream_comes_back_when_its_server_does(
    rtsp_server: RtspServer,
    capture_of: Callable[[str, str], Capture],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.INFO)
    name = f"rtsp://127.0.0.1:{rtsp_server.port}/test"
    capture = capture_of(f"rtsp://admin:{SECRET}@127.0.0.1:{rtsp_server.port}/test", name)
    read_frames(capture, 5)
    assert capture.state.details == "320x240 h264"
    rtsp_server.kill()
    wait_until_lost(capture)
    rtsp_server.start()
    read_frames(capture, 5)
    assert capture.state.reconnects == 1
    assert [message.split(" after ")[0] for message in caplog.messages] == [
        f"Camera {name}: 320x240 h264",
        f"Camera lost: {name} ended or sent nothing for 1 s; trying until it is back",
        f"Camera {name} is back",
    ]
    assert SECRET not in caplog.text + str(capture.state)
    assert capfd.readouterr() == ("", "")


def test_an_rtsp_server_that_hangs_is_a_stall(
    rtsp_server: RtspServer, capture_of: Callable[[str, str], Capture]
) -> None:
    capture = capture_of(f"rtsp://127.0.0.1:{rtsp_server.port}/test", "cam")
    read_frames(capture, 5)
    rtsp_server.process.send_signal(signal.SIGSTOP)
    assert wait_until_lost(capture) < 5
    rtsp_server.process.send_signal(signal.SIGCONT)
    read_frames(capture, 5)
    assert capture.state.reconnects == 1


def test_an_mjpeg_stream_comes_back_when_its_server_does(
    mjpeg_server: MjpegServer, capture_of: Callable[[str, str], Capture], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    capture = capture_of(f"http://admin:{SECRET}@127.0.0.1:{mjpeg_server.port}/?pwd={SECRET}", "cam")
    read_frames(capture, 5)
    mjpeg_server.kill()
    wait_until_lost(capture)
    mjpeg_server.start()
    read_frames(capture, 5)
    assert [message.split(" after ")[0] for message in caplog.messages] == [
        "Camera cam: 64x48 MJPG",
        "Camera lost: cam ended or sent nothing for 1 s; trying until it is back",
        "Camera cam is back",
    ]
    assert SECRET not in caplog.text + str(capture.state)


def test_an_mjpeg_stream_that_pauses_is_reopened(
    mjpeg_server: MjpegServer, capture_of: Callable[[str, str], Capture]
) -> None:
    capture = capture_of(f"http://127.0.0.1:{mjpeg_server.port}/", "cam")
    read_frames(capture, 5)
    mjpeg_server.sending.clear()
    assert wait_until_lost(capture) < 5
    mjpeg_server.sending.set()
    read_frames(capture, 5)
    assert capture.state.reconnects == 1


def test_a_port_where_nobody_listens_is_one_clear_sentence(port: int, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CameraError) as caught:
        NetworkStream(f"rtsp://admin:{SECRET}@127.0.0.1:{port}/x", name="rtsp://cam/x")
    assert str(caught.value) == f"rtsp://cam/x cannot be opened: 127.0.0.1, port {port}: Connection refused"
    assert capfd.readouterr() == ("", "")


def test_a_path_that_does_not_exist_is_one_clear_sentence(
    rtsp_server: RtspServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CameraError, match=r"^cam cannot be opened: 127\.0\.0\.1 answers .* no video under this path"):
        NetworkStream(f"rtsp://admin:{SECRET}@127.0.0.1:{rtsp_server.port}/nothing", name="cam")
    assert capfd.readouterr() == ("", "")


def test_a_server_that_never_answers_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        with pytest.raises(CameraError, match="cannot be opened"):
            NetworkStream(f"http://127.0.0.1:{silent.getsockname()[1]}/", name="cam", open_timeout_s=0.5)
        assert time.monotonic() - began_s < 5
