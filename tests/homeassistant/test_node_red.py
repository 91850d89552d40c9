"""The flow that we offer to Node-RED works in a real one.

`make test-homeassistant` makes the installation that EDGE_FER_NODE_RED names, and runs this.
"""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_fer.control import Request
from edge_fer.publish.mqtt import connect
from edge_fer.publish.reports import DeviceState
from edge_fer.records import LABELS, Reading
from tests.conftest import free_port

if TYPE_CHECKING:
    from tests.conftest import Mosquitto

pytestmark = [pytest.mark.real, pytest.mark.homeassistant]

FLOW = Path(__file__).parents[2] / "configs" / "integrations" / "node-red-flow.json"
STATE = DeviceState(paused=True, camera_online=False, faces=0, started_at_s=0, heartbeat_s=10, rate_hz=5, health_s=30)


def reading(emotion: str) -> Reading:
    scores = {label: 0.7 if label == emotion else 0.05 for label in LABELS}
    return Reading(0.0, 1, emotion, 0.7, scores, (0.1, 0.2, 0.2, 0.2), 1.0)


@pytest.fixture
def node_red(mosquitto: "Mosquitto", tmp_path: Path) -> Iterator[str]:
    """Address of a Node-RED that runs the flow on our broker, unchanged but for the broker's port."""
    folder = os.environ.get("EDGE_FER_NODE_RED")
    if folder is None:
        pytest.skip("EDGE_FER_NODE_RED names no Node-RED; make test-homeassistant installs one")
    flow = json.loads(FLOW.read_text())
    [broker] = [node for node in flow if node["type"] == "mqtt-broker"]
    broker |= {"broker": mosquitto.host, "port": str(mosquitto.port)}
    (tmp_path / "flow.json").write_text(json.dumps(flow))
    (tmp_path / "settings.js").write_text("module.exports = {uiHost: '127.0.0.1', telemetry: {enabled: false}}")
    address = f"http://127.0.0.1:{(port := free_port())}"
    program = Path(folder).resolve() / "node_modules" / ".bin" / "node-red"
    options: list[str | Path] = ["--userDir", tmp_path, "--settings", tmp_path / "settings.js", "--port", str(port)]
    log = tmp_path / "node-red.log"
    with log.open("w") as output:
        process = subprocess.Popen([program, *options, tmp_path / "flow.json"], stdout=output, stderr=output)
    try:
        deadline_s = time.monotonic() + 60
        while "Connected to broker" not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"Node-RED did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield address
        assert "[error]" not in log.read_text()
    finally:
        process.terminate()
        process.wait(20)


def press(address: str, button: str) -> None:
    [node] = [node for node in json.loads(FLOW.read_text()) if (node["type"], node.get("name")) == ("inject", button)]
    request = urllib.request.Request(f"{address}/inject/{node['id']}", method="POST")  # noqa: S310 - an address of ours
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
        assert answer.status == 200


def test_the_flow_lights_the_lamp_of_a_happy_room_once_and_pauses_the_camera(
    node_red: str, mosquitto: "Mosquitto"
) -> None:
    asked: list[str] = []

    def ask(request: Request) -> None:
        asked.append(request.command)
        request.answer(STATE, None)

    heard = mosquitto.subscribe("#")
    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, heartbeat_s=1, rate_hz=10, ask=ask)
    try:
        heard.wait_for("kitchen/availability", "online")
        for time_s, emotion in enumerate(("sad", "happy", "happy", "happy", "sad", "happy")):
            sink.publish(float(time_s), [reading(emotion)])
            heard.wait_for("kitchen/emotion", count=time_s + 1)
        sink.publish(6.0, [])
        heard.wait_for("zigbee2mqtt/kitchen_lamp/set", count=2)
        press(node_red, "pause")
        assert heard.wait_for("kitchen/response").json["command"] == "pause"
    finally:
        sink.close()
    heard.wait_for("kitchen/availability", "offline")
    lamp = heard.on("zigbee2mqtt/kitchen_lamp/set")
    assert [message.json for message in lamp] == [{"state": "ON", "color_temp": 370}] * 2, "heartbeats change nothing"
    assert asked == ["pause"]
