"""What a device left behind on a real broker is cleared, and nothing of anybody else."""

import io
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edge_fer.__main__ import main
from edge_fer.config import Config
from edge_fer.control import Request
from edge_fer.errors import BrokerError, ConfigError
from edge_fer.forget import run_forget
from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.publish.reports import DeviceState
from tests.samples import HAPPY, INFO

if TYPE_CHECKING:
    from tests.conftest import Mosquitto

pytestmark = pytest.mark.real

STATE = DeviceState(paused=False, camera_online=True, faces=1, started_at_s=0, heartbeat_s=10, rate_hz=5, health_s=30)
KITCHEN = {
    "homeassistant/device/edge-fer_kitchen/config",
    *(
        f"edge-fer/kitchen/{name}"
        for name in ("availability", "camera/availability", "emotion", "faces", "info", "running")
    ),
}


@pytest.fixture
def open_device() -> Iterator[Callable[..., MqttSink]]:
    """Devices that have told all that the broker keeps."""
    with ExitStack() as stack:

        def make(broker: "Mosquitto", name: str) -> MqttSink:
            def ask(asked: Request) -> None:
                asked.answer(STATE, None)

            sink = connect(device=name, host=broker.host, port=broker.port, home_assistant=True, ask=ask)
            stack.callback(sink.close)
            sink.info(INFO)
            sink.camera(online=True)
            sink.running(True)
            sink.publish(0.0, [HAPPY])
            broker.subscribe(f"edge-fer/{name}/#").wait_for("/faces", "1")
            return sink

        yield make


def forget(broker: "Mosquitto", name: str = "kitchen", *, dry_run: bool = False, **mqtt: Any) -> str:
    config = Config.model_validate({"mqtt": {"host": broker.host, "port": broker.port, **mqtt}})
    out = io.StringIO()
    run_forget(config, out, name=name, dry_run=dry_run)
    return out.getvalue()


def test_a_device_renamed_while_it_was_stopped_leaves_nothing(
    mosquitto: "Mosquitto", open_device: Callable[..., MqttSink]
) -> None:
    open_device(mosquitto, "kitchen").close()
    open_device(mosquitto, "hall")
    garbage = "edge-fer/kitchen/faces/\u202e9"
    tell = ["mosquitto_pub", "-h", mosquitto.host, "-p", str(mosquitto.port), "-r", "-m", "x"]
    subprocess.run([*tell, "-t", garbage], check=True)  # garbage of somebody else
    before = mosquitto.retained()
    assert KITCHEN | {garbage} == {topic for topic in before if "kitchen" in topic}

    listed = forget(mosquitto, dry_run=True).splitlines()
    assert {line.split()[0] for line in listed[:-1]} == KITCHEN | {"edge-fer/kitchen/faces/?9"}
    assert listed[-1] == "kitchen is not online; nothing was cleared"
    assert mosquitto.retained() == before

    watching = mosquitto.subscribe("#")
    watching.wait_for("hall/availability", "online")
    told = forget(mosquitto).splitlines()
    assert told[-1] == f"The broker 127.0.0.1:{mosquitto.port} has forgotten kitchen (8 retained)"
    assert {topic for topic in mosquitto.retained() if "kitchen" in topic} == set()
    assert mosquitto.retained() == {topic for topic in before if "hall" in topic}
    cleared = [message.topic for message in watching.messages if not message.retained and not message.payload]
    assert cleared[0] == "homeassistant/device/edge-fer_kitchen/config", "before its state is emptied"
    nothing = f"The broker 127.0.0.1:{mosquitto.port} keeps nothing of kitchen that we may read\n"
    assert forget(mosquitto) == nothing


def test_a_device_that_is_online_keeps_its_state(mosquitto: "Mosquitto", open_device: Callable[..., MqttSink]) -> None:
    open_device(mosquitto, "kitchen")
    with pytest.raises(BrokerError, match=r"^kitchen is online and would be without its state: stop its daemon"):
        forget(mosquitto)
    assert forget(mosquitto, dry_run=True).splitlines()[-1] == "kitchen is online; nothing was cleared"
    assert mosquitto.retained() == KITCHEN


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_an_online_of_before_a_power_cut_is_nobody(mosquitto: "Mosquitto", protocol: str) -> None:
    tell = ["mosquitto_pub", "-h", mosquitto.host, "-p", str(mosquitto.port), "-r"]
    subprocess.run([*tell, "-t", "edge-fer/kitchen/availability", "-m", "online"], check=True)
    assert "has forgotten kitchen (1 retained)" in forget(mosquitto, protocol=protocol)
    assert mosquitto.retained() == set()


def test_a_broker_that_does_not_let_go_is_said(make_mosquitto: "Callable[[str], Mosquitto]", tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite edge-fer/kitchen/info\ntopic read #\n")
    broker = make_mosquitto(
        f"allow_anonymous true\nacl_file {rules}\npersistence true\npersistence_location {tmp_path}/"
    )
    rules_that_let = "topic readwrite #\n"
    forbidding = rules.read_text()
    rules.write_text(rules_that_let)
    broker.start()
    for topic in ("info", "availability"):
        tell = ["mosquitto_pub", "-h", broker.host, "-p", str(broker.port), "-r", "-m", "offline"]
        subprocess.run([*tell, "-t", f"edge-fer/kitchen/{topic}"], check=True)
    broker.stop()
    rules.write_text(forbidding)
    broker.start()
    with pytest.raises(BrokerError, match=r"still keeps edge-fer/kitchen/availability; look at its access rules$"):
        forget(broker)


def test_what_cannot_be_is_one_sentence(
    make_mosquitto: "Callable[[str], Mosquitto]", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broker = make_mosquitto("allow_anonymous true")
    with pytest.raises(ConfigError, match=r"^'a/#' is no device's name; give one of letters, digits, _ and -$"):
        forget(broker, "a/#")
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"mqtt": {"host": broker.host, "port": broker.port}}))
    began_s = time.monotonic()
    assert main(["forget", "kitchen", "--config", str(config)]) == 1
    assert capsys.readouterr().err.endswith(f"127.0.0.1:{broker.port} cannot be reached: Connection refused\n")
    assert time.monotonic() - began_s < 5
