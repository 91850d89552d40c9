import io
import random
import signal
import subprocess
import sys
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from edge_fer.config import Config
from edge_fer.publish import schemas
from edge_fer.records import LABELS
from edge_fer.simulate import Face, run_simulation

if TYPE_CHECKING:
    from tests.conftest import Mosquitto


def test_a_made_up_face_stands_for_a_while_changes_and_makes_way() -> None:
    face, again = (Face(count(1), random.Random(1)) for _ in range(2))  # noqa: S311 - nothing secret
    readings = [face.at(step / 5) for step in range(5 * 3600)]
    changes = sum(one.emotion != other.emotion for one, other in pairwise(readings))
    assert 400 < changes < 900  # about every five seconds of an hour, now and then to the same
    assert 40 < readings[-1].track < 85  # about one a minute
    assert {reading.emotion for reading in readings} == set(LABELS)
    assert all(sum(reading.scores.values()) == pytest.approx(1) for reading in readings)
    assert all(reading.for_s >= 0 for reading in readings)
    assert readings == [again.at(step / 5) for step in range(5 * 3600)]


@pytest.mark.real
def test_simulated_devices_publish_what_real_ones_would_and_leave_nothing_behind(mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe("edge-fer/#")
    config = Config.model_validate({"mqtt": {"host": mosquitto.host, "port": mosquitto.port, "health_s": 0.5}})
    out = io.StringIO()
    assert run_simulation(config, out, devices=3, faces=2, seconds=1.5) == 0
    assert out.getvalue().startswith("3 of 3 devices connected, each with 2 faces at 5 readings/s: ")
    assert "0 lost, 0 of them events" in out.getvalue()
    for number in (1, 2, 3):
        listener.wait_for(f"simulated-{number}/availability", "")
    names = {message.topic.split("/")[1] for message in listener.messages}
    assert names == {"simulated-1", "simulated-2", "simulated-3"}
    assert len(listener.on("simulated-2/faces/1")) >= 5
    for message in listener.messages:
        name = message.topic.split("/", 2)[2]
        schema = schemas.TOPICS["faces/+" if name.startswith("faces/") else name]
        if message.payload:
            payload = message.payload if schema in schemas.PLAIN_TEXT else message.json
            jsonschema.validate(payload, schemas.load(schema))
    assert mosquitto.retained() == set()


@pytest.mark.real
@pytest.mark.slow
def test_five_hundred_devices_lose_nothing(mosquitto: "Mosquitto") -> None:
    config = Config.model_validate({"mqtt": {"host": mosquitto.host, "port": mosquitto.port, "rate_hz": 5.0}})
    out = io.StringIO()
    assert run_simulation(config, out, devices=500, faces=1, seconds=20) == 0
    assert out.getvalue().startswith("500 of 500 devices connected, each with 1 face at 5 readings/s: ")
    assert " lost, 0 of them events; this process took " in out.getvalue()
    assert mosquitto.retained() == set()


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_is_stopped_tells_its_figures_and_leaves_nothing_behind(
    mosquitto: "Mosquitto", tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "edge-fer.yaml"
    path.write_text(f"mqtt: {{host: {mosquitto.host}, port: {mosquitto.port}, rate_hz: 0.01}}\n")  # long pauses
    command = [sys.executable, "-m", "edge_fer", "simulate", "--config", str(path), "--devices", "2"]
    listener = mosquitto.subscribe("edge-fer/#")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        listener.wait_for("simulated-1/emotion")
        listener.wait_for("simulated-2/availability", "online")
        process.send_signal(number)
        out, _ = process.communicate(timeout=10)
    assert (process.returncode, out.count("\n")) == (0, 1)
    assert out.startswith("2 of 2 devices connected, each with 1 face at 0.01 readings/s: ")
    assert mosquitto.retained() == set()


def test_it_goes_on_until_it_is_told_to_stop() -> None:
    """Without an end, and without a broker; and it looks up often from a long pause."""
    now_s, slept_s, out = 0.0, [], io.StringIO()

    def sleep(seconds: float) -> None:
        nonlocal now_s
        slept_s.append(seconds)
        now_s += seconds

    config = Config.model_validate({"mqtt": {"host": "127.0.0.1", "port": 1, "rate_hz": 0.01}})
    code = run_simulation(
        config,
        out,
        devices=1,
        faces=2,
        seconds=float("inf"),
        clock=lambda: now_s,
        sleep=sleep,
        stopped=lambda: now_s > 150,
    )
    assert code == 1
    assert out.getvalue().startswith("0 of 1 device connected, each with 2 faces at 0.01 readings/s: ")
    assert 150 < now_s < 151
    assert max(slept_s) <= 0.2


@pytest.mark.real
def test_a_broker_that_is_not_there_is_an_exit_code(make_mosquitto: object) -> None:
    config = Config.model_validate({"mqtt": {"host": "127.0.0.1", "port": 1}})
    out = io.StringIO()
    assert run_simulation(config, out, devices=2, faces=1, seconds=0.3) == 1
    assert out.getvalue().startswith("0 of 2 devices connected")
