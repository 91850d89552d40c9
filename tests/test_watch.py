import io
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
