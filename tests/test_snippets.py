"""What the README and configs/ offer to copy works as it stands."""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from edge_fer.control import Request
from edge_fer.publish import schemas
from edge_fer.publish.homeassistant import device
from edge_fer.publish.mqtt import connect
from edge_fer.publish.reports import DeviceState, HealthReport
from tests.samples import HAPPY, INFO

if TYPE_CHECKING:
    from tests.conftest import Mosquitto

ROOT = Path(__file__).parents[1]


@pytest.mark.real
def test_the_python_subscriber(mosquitto: "Mosquitto") -> None:
    readme = (ROOT / "README.md").read_text()
    [block] = [found for found in re.findall(r"(?:^    .*\n|^\n)+", readme, re.MULTILINE) if "import paho" in found]
    script = re.sub("^    ", "", block, flags=re.MULTILINE).replace(
        '"localhost", 1883', f'"127.0.0.1", {mosquitto.port}'
    )
    assert str(mosquitto.port) in script
    assert len(script.strip().splitlines()) <= 10
    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port)
    subscriber = subprocess.Popen([sys.executable, "-u", "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        sink.publish(0.0, [HAPPY])
        assert subscriber.stdout is not None
        assert subscriber.stdout.readline() == "kitchen happy 0.7\n"
        sink.publish(1.0, [])
        assert subscriber.stdout.readline() == "kitchen None None\n"
    finally:
        subscriber.kill()
        subscriber.communicate()
        sink.close()


def test_the_automation_names_entities_that_there_are() -> None:
    [automation] = yaml.safe_load((ROOT / "configs" / "integrations" / "home-assistant-automation.yaml").read_text())
    components = device("edge-fer/kitchen", INFO, heartbeat_s=10, health_s=30, pictures=True)["components"].values()
    entities = {component["default_entity_id"]: component for component in components}
    [trigger], [condition] = automation["triggers"], automation["conditions"]
    assert trigger["to"] in entities[trigger["entity_id"]]["options"]
    assert entities[condition["entity_id"]]["unit_of_measurement"] == "%"


def test_telegraf_reads_what_the_payloads_hold() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader of TOML")
    settings = tomllib.loads((ROOT / "configs" / "integrations" / "telegraf.conf").read_text())
    types = {"string": ("string",), "float": ("number",), "int": ("integer",)}
    for consumer in settings["inputs"]["mqtt_consumer"]:
        [topic] = consumer["topics"]
        schema = schemas.load(schemas.TOPICS[topic.removeprefix("edge-fer/+/")])
        [parser] = consumer["json_v2"]
        properties = schema.get("properties") or schema["$defs"]["face"]["properties"]
        assert parser["timestamp_path"] in properties
        for field in parser["field"]:
            prescribed = properties[field["path"]]
            prescribed = schema["$defs"]["probability"] if "$ref" in prescribed else prescribed
            assert prescribed["type"] in types[field["type"]]


def points(settings: dict[str, Any], topic: str, payload: Any) -> list[dict[str, Any]]:
    """What Telegraf makes of a message: measurement, tags and fields, as its MQTT consumer and json_v2 describe them.

    A value that is null makes no field; one that is absent is an error unless it is optional.
    """
    made = []
    for consumer in settings["inputs"]["mqtt_consumer"]:
        [wanted], [naming], [parser] = consumer["topics"], consumer["topic_parsing"], consumer["json_v2"]
        assert naming["topic"] == wanted
        if not re.fullmatch(wanted.replace("+", "[^/]+"), topic):
            continue
        levels = topic.split("/")
        named = {
            word: level
            for pattern in (naming["measurement"], naming["tags"])
            for word, level in zip(pattern.split("/"), levels, strict=True)
            if word != "_"
        }
        fields = {}
        for field in parser["field"]:
            if field["path"] not in payload:
                assert field.get("optional"), field
                continue
            value = payload[field["path"]]
            if value is not None:
                fields[field["path"]] = {"string": str, "float": float, "int": int}[field["type"]](value)
        assert parser["timestamp_format"] == "2006-01-02T15:04:05Z07:00", "Go's RFC 3339, which allows fractions"
        moment = datetime.fromisoformat(payload[parser["timestamp_path"]])
        assert moment.utcoffset() == timedelta(0)
        made.append({"measurement": named.pop("measurement"), "tags": named, "fields": fields})
    return made


@pytest.mark.real
def test_telegraf_gets_points_from_what_a_device_says(mosquitto: "Mosquitto") -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has no reader of TOML")
    settings = tomllib.loads((ROOT / "configs" / "integrations" / "telegraf.conf").read_text())
    heard = mosquitto.subscribe("edge-fer/#")
    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port)
    try:
        heard.wait_for("kitchen/availability", "online")
        sink.publish(0.0, [HAPPY])
        heard.wait_for("kitchen/emotion")
        sink.publish(1.0, [])
        sink.health(HealthReport(fps=14.94, stages={}, dropped_frames=0, camera_reconnects=0, rss_mb=91.4))
        heard.wait_for("kitchen/health")
        heard.wait_for("kitchen/emotion", count=2)
    finally:
        sink.close()
    told = [
        point
        for message in heard.messages
        if message.payload.startswith("{")
        for point in points(settings, message.topic, message.json)
    ]
    tags = {"device": "kitchen"}
    assert sorted(told, key=str) == sorted(
        [
            {"measurement": "emotion", "tags": tags, "fields": {"emotion": "happy", "confidence": 0.7}},
            {"measurement": "emotion", "tags": tags, "fields": {}},
            {"measurement": "health", "tags": tags, "fields": {"fps": 14.94, "rss_mb": 91.4, "events_lost": 0}},
        ],
        key=str,
    )


@pytest.mark.real
def test_the_bridge_carries_state_and_events_up_and_commands_down(
    make_mosquitto: "Callable[[str], Mosquitto]", tmp_path: Path
) -> None:
    central = make_mosquitto(f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/")
    central.start()
    bridge = (ROOT / "configs" / "integrations" / "mosquitto-bridge.conf").read_text()
    edge = make_mosquitto(
        "allow_anonymous true\n" + bridge.replace("central.lan:1883", f"{central.host}:{central.port}")
    )
    edge.start()
    asked: list[str] = []

    def ask(request: Request) -> None:
        asked.append(request.command)
        request.answer(DeviceState(False, True, 0, 0.0, 10, 5, 30), None)

    above = central.subscribe("edge-fer/#", "-c", "-i", "consumer", "-V", "311")
    sink = connect(device="kitchen", host=edge.host, port=edge.port, ask=ask, home_assistant=True)
    try:
        sink.info(INFO)
        above.wait_for("kitchen/availability", "online")
        sink.publish(0.0, [HAPPY])
        assert above.wait_for("kitchen/emotion").json["emotion"] == "happy"
        assert above.wait_for("kitchen/event").json["seq"] == 1
        command = ["-h", central.host, "-p", str(central.port), "-t", "edge-fer/kitchen/command", "-m", "status"]
        subprocess.run(["mosquitto_pub", *command], check=True)
        assert above.wait_for("kitchen/response").json["ok"] is True
        central.stop()
        sink.publish(1.0, [])
        time.sleep(0.5)  # the edge hears it while the centre is away
        central.start()
        leave: Any = above.wait_for("kitchen/event", count=2, timeout_s=30).json
        assert (leave["type"], leave["seq"]) == ("leave", 2)
    finally:
        sink.close()
    above.wait_for("kitchen/availability", "offline")
    assert asked == ["status"], "a command must not come back from the edge"
    assert len(above.on("kitchen/event")) == 2
    assert "homeassistant/device/edge-fer_kitchen/config" in central.retained()


@pytest.mark.real
def test_consumers_share_the_work(mosquitto: "Mosquitto") -> None:
    workers = [mosquitto.subscribe("$share/workers/edge-fer/+/event", "-V", "5") for _ in range(2)]
    everything = mosquitto.subscribe("edge-fer/#")
    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, rate_hz=1)
    try:
        everything.wait_for("kitchen/availability", "online")
        time.sleep(0.5)  # until the workers have subscribed, which nothing tells
        for number in range(20):
            sink.publish(float(number), [HAPPY] if number % 2 else [])
        everything.wait_for("kitchen/event", count=19)
    finally:
        sink.close()
    everything.wait_for("kitchen/availability", "offline")
    time.sleep(0.2)
    shares = [{message.json["seq"] for message in worker.messages} for worker in workers]
    assert not shares[0] & shares[1]
    assert shares[0] | shares[1] == set(range(1, 21))
    assert all(shares)
