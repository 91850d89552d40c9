"""The daemon as a process, with a real broker and real films."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import jsonschema
import numpy as np
import pytest
import yaml

from edge_fer.publish import schemas

if TYPE_CHECKING:
    from tests.conftest import Mosquitto, Received

pytestmark = pytest.mark.real

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"
BASE = "edge-fer/test"


class Process:
    """`edge-fer run` with a configuration that the test may change."""

    def __init__(self, folder: Path, environ: dict[str, str], **settings: Any) -> None:
        self.path = folder / "edge-fer.yaml"
        self.log = folder / "log"
        self.configure(**settings)
        with self.log.open("w") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-m", "edge_fer", "run", "--config", str(self.path)],
                stderr=log,
                env={**os.environ, **environ},
            )

    def configure(self, **settings: Any) -> None:
        self.path.write_text(yaml.safe_dump({"device": "test", "model": str(TINY), **settings}))

    def signal(self, number: int) -> None:
        self._popen.send_signal(number)

    def wait(self, timeout_s: float = 60) -> int:
        return self._popen.wait(timeout_s)

    def wait_for_log(self, text: str, timeout_s: float = 10) -> None:
        deadline_s = time.monotonic() + timeout_s
        while text not in self.log.read_text():
            if time.monotonic() > deadline_s:
                pytest.fail(f"{text!r} is not in the log:\n{self.log.read_text()}")
            time.sleep(0.02)

    def kill(self) -> None:
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()


Run = Callable[..., Process]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Starts the daemon; without YuNet, unless the test names it."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Process:
            process = Process(tmp_path, {"EDGE_FER_MODELS": str(tmp_path)}, **settings)
            stack.callback(process.kill)
            return process

        yield start


def mqtt(broker: "Mosquitto", **more: Any) -> dict[str, Any]:
    return {"host": broker.host, "port": broker.port, **more}


def validated(messages: "list[Received]") -> "list[Received]":
    """The messages, each of them checked against its topic's schema."""
    for message in messages:
        name = message.topic.removeprefix(f"{BASE}/")
        schema = schemas.TOPICS["faces/+" if name.startswith("faces/") else name]
        payload = message.payload if schema in schemas.PLAIN_TEXT else message.json
        jsonschema.validate(payload, schemas.load(schema))
    return messages


def faces_at_once(messages: "list[Received]") -> dict[str, int]:
    """How often each face was told of, by track."""
    tracks = [message.topic.rpartition("/")[2] for message in messages if "/faces/" in message.topic]
    return {track: tracks.count(track) for track in tracks}


def play(run: Run, broker: "Mosquitto", data: Path, clip: str) -> "list[Received]":
    """Everything that the broker is told while a clip runs through the daemon as fast as it can."""
    listener = broker.subscribe(f"{BASE}/#")
    process = run(
        camera={"source": str(data / "clips" / clip), "realtime": False},
        detector={"kind": "yunet", "model": str(data / "models" / "face_detection_yunet_2023mar.onnx")},
        mqtt=mqtt(broker, rate_hz=1000),
    )
    assert process.wait() == 0
    listener.wait_for("/availability", "offline")
    return validated(listener.messages)


ONE_FACE = (
    "again", "hungry", "walk",
    *(pytest.param(name, marks=pytest.mark.slow) for name in (
        "bird", "book", "brother", "eat", "help", "learn", "milk", "night", "no",
        "please", "school", "sister", "sorry", "student", "thanks", "want", "yes",
    )),
)  # fmt: skip
SOME_FACES = (
    "head-pose-face-detection-male", "face-demographics-walking",
    *(pytest.param(name, marks=pytest.mark.slow) for name in (
        "head-pose-face-detection-female", "head-pose-face-detection-female-and-male",
        "face-demographics-walking-and-pause",
    )),
)  # fmt: skip


@pytest.mark.data
@pytest.mark.parametrize("clip", ONE_FACE)
def test_a_person_signing_is_one_face_throughout(run: Run, mosquitto: "Mosquitto", data: Path, clip: str) -> None:
    messages = play(run, mosquitto, data, f"asl/{clip}.mkv")
    assert set(faces_at_once(messages)) == {"1"}
    states = [message.json["track"] for message in messages if message.topic == f"{BASE}/emotion"]
    assert set(states) == {1}
    events = [message.json for message in messages if message.topic == f"{BASE}/event"]
    came_and_went = [(event["type"], event["track"]) for event in events if event["type"] != "change"]
    assert came_and_went == [("appear", 1), ("leave", 1)]


@pytest.mark.data
def test_a_clip_with_people_from_behind_has_no_face_for_long(run: Run, mosquitto: "Mosquitto", data: Path) -> None:
    messages = play(run, mosquitto, data, "one-by-one-person-detection.mp4")
    longest = max(faces_at_once(messages).values(), default=0)
    assert longest <= 30  # three seconds of film


@pytest.mark.data
def test_a_classroom_holds_several_faces(run: Run, mosquitto: "Mosquitto", data: Path) -> None:
    messages = play(run, mosquitto, data, "classroom.gif")
    assert len(faces_at_once(messages)) >= 3


@pytest.mark.data
@pytest.mark.parametrize("clip", SOME_FACES)
def test_other_clips_run_through(run: Run, mosquitto: "Mosquitto", data: Path, clip: str) -> None:
    assert faces_at_once(play(run, mosquitto, data, f"{clip}.gif")) != {}


def test_sigterm_says_goodbye_within_two_seconds(run: Run, mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe(f"{BASE}/#")
    process = run(camera={"source": "pattern"}, mqtt=mqtt(mosquitto))
    listener.wait_for("camera/availability", "online")
    began_s = time.monotonic()
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert time.monotonic() - began_s < 2
    listener.wait_for("camera/availability", "offline")
    listener.wait_for("test/availability", "offline")
    retained = mosquitto.subscribe(f"{BASE}/#").wait_for("test/availability")
    assert (retained.payload, retained.retained) == ("offline", True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_two_seconds_whatever_else_hangs(
    run: Run, mosquitto: "Mosquitto", number: signal.Signals
) -> None:
    """The broker is frozen and the camera is not there."""
    process = run(camera={"source": 99}, mqtt=mqtt(mosquitto))
    mosquitto.subscribe(f"{BASE}/#").wait_for("test/availability", "online")
    mosquitto.freeze()
    began_s = time.monotonic()
    process.signal(number)
    assert process.wait() == 0
    assert time.monotonic() - began_s < 2


def test_a_killed_daemon_leaves_its_last_will(run: Run, mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe(f"{BASE}/#")
    process = run(camera={"source": "pattern"}, mqtt=mqtt(mosquitto))
    listener.wait_for("camera/availability", "online")
    process.kill()
    listener.wait_for("test/availability", "offline")


def test_it_starts_without_a_broker_and_finds_it_later(run: Run, make_mosquitto: "Callable[[str], Mosquitto]") -> None:
    broker = make_mosquitto("allow_anonymous true")
    process = run(camera={"source": "pattern"}, mqtt=mqtt(broker))
    process.wait_for_log("Connection refused")
    broker.start()
    listener = broker.subscribe(f"{BASE}/#")
    listener.wait_for("test/availability", "online", timeout_s=20)
    listener.wait_for("camera/availability", "online")
    listener.wait_for("info")
    listener.wait_for("emotion")
    validated(listener.messages)


def test_a_camera_that_is_not_there_is_told_and_waited_for(run: Run, mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe(f"{BASE}/#")
    process = run(camera={"source": 99}, mqtt=mqtt(mosquitto))
    listener.wait_for("camera/availability", "offline")
    process.wait_for_log("Camera lost: /dev/video99")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert process.log.read_text().count("Camera lost") == 1


def command(mosquitto: "Mosquitto", text: str) -> None:
    topic = ["-h", mosquitto.host, "-p", str(mosquitto.port), "-t", f"{BASE}/command"]
    subprocess.run(["mosquitto_pub", *topic, "-m", text], check=True)


def test_sighup_takes_over_a_good_configuration_and_refuses_a_bad_one(run: Run, mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe("edge-fer/#")
    process = run(camera={"source": "pattern"}, mqtt=mqtt(mosquitto))
    listener.wait_for("test/emotion")
    process.configure(camera={"source": "pattern"}, mqtt=mqtt(mosquitto, port=0))
    process.signal(signal.SIGHUP)
    process.wait_for_log("The configuration was not reloaded, the old one stays: ")
    assert f"{process.path}:" in process.log.read_text()
    process.configure(camera={"source": "pattern"}, mqtt=mqtt(mosquitto), model="no.tflite", log={"level": "error"})
    process.signal(signal.SIGHUP)
    process.wait_for_log("old one stays: no.tflite: the model cannot be read")
    command(mosquitto, "pause")
    process.wait_for_log("Paused: the camera is released")  # the level stayed, too
    command(mosquitto, "resume")
    process.configure(device="kitchen", camera={"source": "pattern"}, mqtt=mqtt(mosquitto), log={"level": "error"})
    process.signal(signal.SIGHUP)
    listener.wait_for("kitchen/availability", "online")
    listener.wait_for("test/availability", "offline")
    listener.wait_for("kitchen/emotion")
    kept = mosquitto.retained()
    assert "homeassistant/device/edge-fer_kitchen/config" in kept
    assert not [topic for topic in kept if "test" in topic], "the former name must leave no ghost"
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert "The configuration was reloaded" not in process.log.read_text()  # the new level holds at once


def test_commands_pause_resume_and_set_the_running_daemon(run: Run, mosquitto: "Mosquitto") -> None:
    listener = mosquitto.subscribe("edge-fer/#")
    run(camera={"source": "pattern"}, mqtt=mqtt(mosquitto))
    listener.wait_for("test/emotion")
    listener.wait_for("test/running", "on")

    def tell(text: str, answers: int) -> dict[str, Any]:
        command(mosquitto, text)
        answer: dict[str, Any] = listener.wait_for("test/response", count=answers).json
        return answer

    assert tell("pause", 1)["state"]["paused"] is True
    listener.wait_for("test/running", "off")
    listener.wait_for("camera/availability", "offline")
    assert tell("resume", 2)["ok"] is True
    listener.wait_for("test/running", "on", count=2)
    listener.wait_for("camera/availability", "online", count=2)
    assert tell('{"command": "set", "values": {"health_s": 0.1}}', 3)["state"]["health_s"] == 0.1
    listener.wait_for("test/health", count=3)
    assert tell("rm -rf", 4)["ok"] is False
    listener.wait_for("test/health", count=len(listener.on("test/health")) + 2)
    assert listener.on("test/health")[-1].json["commands_refused"] == 1
    assert tell("publish", 5)["ok"] is True
    listener.wait_for("test/info", count=2)
    validated([message for message in listener.messages if not message.topic.endswith("/command")])


def test_stdout_has_the_readings_as_json_lines(tmp_path: Path) -> None:
    for i in range(3):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.zeros((48, 64), np.uint8))
    path = tmp_path / "edge-fer.yaml"
    settings = {"model": str(TINY), "camera": {"source": str(tmp_path), "realtime": False}, "mqtt": {"enabled": False}}
    path.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "edge_fer", "run", "--stdout", "--config", str(path)]
    seen = subprocess.run(command, capture_output=True, text=True, check=True)
    [nobody] = [json.loads(line) for line in seen.stdout.splitlines()]
    jsonschema.validate(nobody, schemas.load("reading"))
    assert (nobody["seq"], nobody["emotion"], nobody["track"]) == (1, None, None)
