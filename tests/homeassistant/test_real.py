"""A real Home Assistant finds the device, sees it change, and forgets it.

`make test-homeassistant` makes the installation that EDGE_FER_HASS_ROOT names, and runs this.
"""

import json
import os
import secrets
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_fer.control import Request
from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.publish.picture import encode_picture
from edge_fer.publish.reports import HealthReport
from edge_fer.records import LABELS, Frame, Reading
from tests.samples import INFO

pytestmark = [pytest.mark.real, pytest.mark.homeassistant]


def reading(emotion: str) -> Reading:
    scores = {label: 0.7 if label == emotion else 0.05 for label in LABELS}
    return Reading(0.0, 1, emotion, 0.7, scores, (0.1, 0.2, 0.2, 0.2), 1.0)


class HomeAssistant:
    """Home Assistant core with its MQTT integration set up as a person would, through the web."""

    def __init__(self, root: Path, broker_port: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port: int = probe.getsockname()[1]
        self._token: str | None = None
        folder = Path("tmp", f"hass-{secrets.token_hex(4)}")
        self._folder = root / folder
        self._folder.mkdir()
        (self._folder / "configuration.yaml").write_text(
            f"http:\n  server_host: 127.0.0.1\n  server_port: {self._port}\n"
            "api:\nconfig:\nonboarding:\nlogger:\n  default: warning\n"
        )
        enter = Path(__file__).with_name("enter")
        command = [str(enter), str(root), "/ha/bin/hass", "--skip-pip"]
        with (self._folder / "out.log").open("w") as output:
            self._process = subprocess.Popen([*command, "-c", f"/{folder}"], stdout=output, stderr=output)
        try:
            self._set_up(broker_port)
        except BaseException:
            self.close()
            raise

    @property
    def log(self) -> str:
        return (self._folder / "out.log").read_text()

    def states(self) -> dict[str, str]:
        """The state of every entity, by its friendly name."""
        return {state["attributes"].get("friendly_name", ""): state["state"] for state in self._call("/api/states")}

    def attributes(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(
            state["attributes"]
            for state in self._call("/api/states")
            if state["attributes"].get("friendly_name") == name
        )
        return found

    def expect(self, timeout_s: float = 20, **expected: str | None) -> None:
        """Wait until entities have these states; `kitchen__emotion` is the emotion of kitchen, None its absence."""
        wanted = {name.replace("__", " ").replace("_", " "): state for name, state in expected.items()}
        deadline_s = time.monotonic() + timeout_s
        while True:
            states = {name.lower(): state for name, state in self.states().items()}
            seen = {name: states.get(name) for name in wanted}
            if seen == wanted:
                return
            if time.monotonic() > deadline_s:
                pytest.fail(f"not {wanted} but {states}\n{self.log}")
            time.sleep(0.1)

    def turn_off(self, entity: str) -> None:
        self._call("/api/services/switch/turn_off", {"entity_id": entity})

    def picture(self, entity: str) -> tuple[str, bytes]:
        """Content type and content of an image entity."""
        token = next(state for state in self._call("/api/states") if state["entity_id"] == entity)["attributes"]
        address = f"http://127.0.0.1:{self._port}/api/image_proxy/{entity}?token={token['access_token']}"
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.headers["Content-Type"], answer.read()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(120)  # it takes its time on a busy machine

    def _set_up(self, broker_port: int) -> None:
        deadline_s = time.monotonic() + 240
        while True:
            try:
                self._call("/api/onboarding")
                break
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    pytest.fail(f"Home Assistant did not start:\n{self.log}")
                time.sleep(0.5)
        client = f"http://127.0.0.1:{self._port}/"
        user = {"client_id": client, "name": "t", "username": "t", "password": secrets.token_hex(8), "language": "en"}
        code = self._call("/api/onboarding/users", user)["auth_code"]
        grant = {"grant_type": "authorization_code", "code": code, "client_id": client}
        self._token = self._call("/auth/token", grant, form=True)["access_token"]
        flow = self._call("/api/config/config_entries/flow", {"handler": "mqtt", "show_advanced_options": False})
        answers = {"broker": "127.0.0.1", "port": broker_port}
        while flow["type"] == "form":
            flow = self._call(f"/api/config/config_entries/flow/{flow['flow_id']}", answers)
        assert flow["type"] == "create_entry"

    def _call(self, path: str, data: dict[str, Any] | None = None, *, form: bool = False) -> Any:
        body = None if data is None else (urllib.parse.urlencode(data) if form else json.dumps(data)).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", body)
        request.add_header("Content-Type", "application/x-www-form-urlencoded" if form else "application/json")
        if self._token is not None:
            request.add_header("Authorization", f"Bearer {self._token}")
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - the address is written above
            return json.loads(answer.read() or b"null")


@pytest.fixture
def home(mosquitto: Any) -> Iterator[HomeAssistant]:
    root = os.environ.get("EDGE_FER_HASS_ROOT")
    if root is None:
        pytest.skip("EDGE_FER_HASS_ROOT names no Home Assistant; make test-homeassistant installs one")
    home = HomeAssistant(Path(root), mosquitto.port)
    yield home
    home.close()


@pytest.fixture
def open_device(mosquitto: Any) -> Iterator[Callable[..., MqttSink]]:
    with ExitStack() as stack:

        def make(
            name: str, ask: Callable[[Request], None] = lambda _asked: None, *, pictures: bool = False
        ) -> MqttSink:
            address = {"host": mosquitto.host, "port": mosquitto.port}
            sink = connect(device=name, **address, home_assistant=True, pictures=pictures, ask=ask)
            stack.callback(sink.close)
            sink.info(INFO)
            sink.camera(online=True)
            sink.running(True)
            return sink

        yield make


def test_two_devices_appear_change_become_unavailable_and_vanish(
    home: HomeAssistant, open_device: Callable[..., MqttSink]
) -> None:
    asked: list[str] = []
    kitchen = open_device("kitchen", lambda request: asked.append(request.command))
    hall = open_device("hall")
    kitchen.publish(0.0, [reading("happy")])
    hall.publish(0.0, [])
    home.expect(
        kitchen__emotion="happy",
        kitchen__confidence="70.0",
        kitchen__faces="1",
        kitchen__camera="off",
        kitchen__running="on",
        hall__emotion="nobody",
        hall__confidence="unknown",
        hall__faces="0",
    )
    assert home.attributes("kitchen Emotion")["options"] == [*LABELS, "uncertain", "nobody"]
    assert not [name for name in home.states() if "Score" in name], "scores are off until somebody wants them"

    kitchen.publish(1.0, [reading("sad"), reading("sad")])
    kitchen.health(HealthReport(fps=14.9, stages={}, dropped_frames=0, camera_reconnects=0, rss_mb=90.0))
    home.expect(kitchen__emotion="sad", kitchen__faces="2", kitchen__frame_rate="14.9")

    home.turn_off("switch.kitchen_running")
    deadline_s = time.monotonic() + 5
    while asked != ["pause"] and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert asked == ["pause"]

    kitchen.camera(online=False)
    home.expect(kitchen__camera="on", kitchen__emotion="unavailable", kitchen__running="on", hall__emotion="nobody")
    kitchen.running(False)  # released on request, it is no problem
    home.expect(kitchen__running="off", kitchen__camera="unavailable")

    hall.close()
    home.expect(hall__emotion="unavailable", hall__running="unavailable", kitchen__running="off")
    assert [line for line in home.log.splitlines() if "mqtt" in line and ("ERROR" in line or "WARNING" in line)] == []
    kitchen.retire()
    home.expect(kitchen__emotion=None, kitchen__running=None, kitchen__faces=None, hall__emotion="unavailable")
    assert [line for line in home.log.splitlines() if "ERROR" in line] == [], (
        "an empty state was read after the goodbye"
    )


def test_the_last_picture_is_shown_if_pictures_are_on_and_goes_when_they_are_turned_off(
    home: HomeAssistant, open_device: Callable[..., MqttSink]
) -> None:
    kitchen = open_device("kitchen", pictures=True)
    hall = open_device("hall")
    kitchen.publish(0.0, [reading("happy")])
    hall.publish(0.0, [reading("happy")])
    home.expect(kitchen__emotion="happy", hall__emotion="happy", kitchen__picture="unknown", hall__picture=None)
    jpeg = encode_picture(Frame(np.full((48, 64), 90, np.uint8), 0.0, 0), [reading("happy")])
    kitchen.picture(jpeg)
    deadline_s = time.monotonic() + 10
    while home.states()["kitchen Picture"] == "unknown" and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert home.picture("image.kitchen_picture") == ("image/jpeg", jpeg)

    kitchen.camera(online=False)
    home.expect(kitchen__picture="unavailable", kitchen__running="on")
    kitchen.close()
    again = open_device("kitchen", pictures=False)
    again.publish(0.0, [reading("sad")])
    home.expect(kitchen__emotion="sad", kitchen__picture=None)
    assert [line for line in home.log.splitlines() if "mqtt" in line and "ERROR" in line] == []
