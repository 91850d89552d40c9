import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from edge_fer.config import Config
from edge_fer.house import House
from edge_fer.publish.transport import Received
from edge_fer.simulate import run_simulation
from edge_fer.watch import run_watch, table

if TYPE_CHECKING:
    from tests.conftest import Mosquitto


def test_a_row_for_each_face_and_one_for_who_sees_none() -> None:
    house = House("edge-fer")
    for topic, payload in {
        "kitchen/availability": b"online",
        "kitchen/health": b'{"fps": 14.94}',
        "kitchen/faces/3": b'{"emotion": "happy", "confidence": 0.83}',
        "kitchen/faces/4": b'{"emotion": "[/red] sad", "confidence": 0.5}',
        "hall/availability": b"offline",
    }.items():
        house.hear(Received(f"edge-fer/{topic}", payload), 10.0)
    out = io.StringIO()
    Console(file=out, width=120).print(table(house, 12.0, address="broker:1883", connected=False))
    text = out.getvalue()
    assert "2 devices at broker:1883, which cannot be reached" in text
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert rows == [
        ["hall", "offline", "", "", "", "", "", "2 s ago"],
        ["kitchen", "online", "3", "happy", "██████████··  83%", "▇", "14.9", "2 s ago"],
        ["", "", "4", "[/red] sad", "██████······  50%", "▅", "", ""],
    ]


def test_one_device_is_one() -> None:
    house = House("edge-fer")
    house.hear(Received("edge-fer/hall/availability", b"offline"), 10.0)
    assert table(house, 12.0, address="broker:1883", connected=True).title == "1 device at broker:1883"


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_stopped_leaves_its_last_view(mosquitto: "Mosquitto", number: signal.Signals) -> None:
    command = [sys.executable, "-m", "edge_fer", "watch", "--host", mosquitto.host, "--port", str(mosquitto.port)]
    ours, theirs = pty.openpty()
    shown = b""
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**os.environ, "COLUMNS": "100"}) as process:
        os.close(theirs)
        while b"0 devices at" not in shown:
            shown += os.read(ours, 10_000)
        process.send_signal(number)
        with contextlib.suppress(OSError):  # Linux says so when the other side is closed
            while part := os.read(ours, 10_000):
                shown += part
        assert process.wait(timeout=10) == 0
    os.close(ours)
    assert b"Traceback" not in shown
    assert f"0 devices at {mosquitto.host}:{mosquitto.port}" in shown.decode()


@pytest.mark.real
def test_devices_on_a_real_broker_are_seen(mosquitto: "Mosquitto") -> None:
    config = Config.model_validate({"mqtt": {"host": mosquitto.host, "port": mosquitto.port}})
    devices = threading.Thread(
        target=run_simulation, args=(config, io.StringIO()), kwargs={"devices": 3, "faces": 2, "seconds": 5}
    )
    devices.start()
    try:
        mosquitto.subscribe("edge-fer/#").wait_for("simulated-3/faces/2")
        out = io.StringIO()
        run_watch(config, out, seconds=1.5)
    finally:
        devices.join()
    for number in (1, 2, 3):
        assert f"simulated-{number} │ online" in out.getvalue()
    assert "3 devices at" in out.getvalue()
