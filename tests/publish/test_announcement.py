"""What Home Assistant would find on Debian's mosquitto."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge_fer.publish.mqtt import connect
from edge_fer.publish.reports import Info
from edge_fer.records import Reading

pytestmark = pytest.mark.real

CONFIG = "homeassistant/device/edge-fer_kitchen/config"


def test_home_assistants_birth_is_answered_with_announcement_and_state(mosquitto: Any, info: Info) -> None:
    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, home_assistant=True)
    try:
        sink.info(info)
        subscriber = mosquitto.subscribe()
        assert subscriber.wait_for(CONFIG).json["device"]["name"] == "kitchen"
        subscriber.wait_for("kitchen/info")
        birth = ["-h", mosquitto.host, "-p", str(mosquitto.port), "-t", "homeassistant/status", "-m", "online"]
        subprocess.run(["mosquitto_pub", *birth], check=True)
        deadline_s = time.monotonic() + 10
        while len(subscriber.on(CONFIG)) < 2 and time.monotonic() < deadline_s:
            sink.check()
            time.sleep(0.02)
        subscriber.wait_for(CONFIG, count=2)
        subscriber.wait_for("kitchen/info", count=2)
    finally:
        sink.close()


def test_switched_off_it_takes_the_announcement_back_and_retired_everything(
    mosquitto: Any, info: Info, make_reading: Callable[..., Reading]
) -> None:
    for wanted in (True, False):
        sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, home_assistant=wanted)
        sink.info(info)
        sink.camera(online=True)
        sink.running(True)
        sink.publish(0, [make_reading()])
        mosquitto.subscribe().wait_for("kitchen/emotion")
        assert (CONFIG in mosquitto.retained()) == wanted
        if wanted:
            sink.close()
    sink.retire()
    assert mosquitto.retained() == set()
