import contextlib
import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from edge_fer.control import Request
from edge_fer.publish import schemas
from edge_fer.publish.commands import Commands
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import DeviceState
from edge_fer.publish.transport import Received

STATE = DeviceState(
    paused=True, camera_online=False, faces=0, started_at_s=1769860682.0, heartbeat_s=10, rate_hz=5, health_s=30
)


class Desk:
    """Commands with a loop that does nothing, and a clock that stands still."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.posted: list[Message] = []
        self.requests: list[Request] = []
        self.commands = Commands(
            base="edge-fer/kitchen",
            post=self.posted.append,
            ask=self.requests.append,
            clock=lambda: self.now_s,
            wall_clock=lambda: 1769860800.123,
        )

    def hear(self, payload: bytes | str | dict[str, Any], **more: Any) -> None:
        text = json.dumps(payload) if isinstance(payload, dict) else payload
        raw = text.encode() if isinstance(text, str) else text
        self.commands.hear(Received("edge-fer/kitchen/command", raw, **more))

    def take_response(self) -> Any:
        (message,) = self.posted
        self.posted.clear()
        assert (message.qos, message.retain, message.latest, message.ttl_s) == (1, False, False, 10)
        payload = json.loads(message.payload)
        jsonschema.validate(payload, schemas.load("response"))
        return payload


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("payload", ["pause", " pause\n", {"command": "pause"}, '{"command": "pause", "values": null}'])
def test_a_word_or_an_object_reaches_the_loop_which_answers(desk: Desk, payload: Any) -> None:
    desk.hear(payload)
    (request,) = desk.requests
    assert (request.command, dict(request.values), desk.posted) == ("pause", {}, [])
    request.answer(STATE, None)
    assert desk.posted[0].topic == "edge-fer/kitchen/response"
    assert desk.take_response() == {
        "time": "2026-01-31T12:00:00.123Z",
        "command": "pause",
        "ok": True,
        "error": None,
        "state": {
            "paused": True,
            "camera_online": False,
            "faces": 0,
            "started_at": "2026-01-31T11:58:02.000Z",
            "heartbeat_s": 10,
            "rate_hz": 5,
            "health_s": 30,
        },
    }
    assert desk.commands.refused == 0


def test_what_the_loop_cannot_do_is_answered_and_counted(desk: Desk) -> None:
    desk.hear("resume")
    desk.requests[0].answer(STATE, "the film is gone")
    response = desk.take_response()
    assert (response["ok"], response["command"], response["error"]) == (False, "resume", "the film is gone")
    assert desk.commands.refused == 1


def test_set_hands_over_what_was_given_alone(desk: Desk) -> None:
    desk.hear({"command": "set", "values": {"rate_hz": 10, "heartbeat_s": 2.5}})
    assert dict(desk.requests[0].values) == {"rate_hz": 10, "heartbeat_s": 2.5}


WRONG: list[tuple[str | bytes, str]] = [
    ("", "command: Input should be 'pause', 'resume', 'status', 'publish' or 'set'"),
    ("dance", "command: Input should be 'pause', 'resume', 'status', 'publish' or 'set'"),
    ("set", "set needs values; known are heartbeat_s, rate_hz, health_s"),
    ('{"command": "set", "values": {}}', "set needs values; known are heartbeat_s, rate_hz, health_s"),
    ('{"command": "pause", "values": {"rate_hz": 1}}', "pause takes no values"),
    ('{"command": "set", "values": {"rate_hz": 0}}', "values.rate_hz: Input should be greater than 0"),
    ('{"command": "set", "values": {"rate_hz": 1e9}}', "values.rate_hz: Input should be less than or equal to 1000"),
    ('{"command": "set", "values": {"rate_hz": "5"}}', "values.rate_hz: Input should be a valid number"),
    ('{"command": "set", "values": {"password": "x"}}', "values.password: Extra inputs are not permitted"),
    ('{"command": "pause", "file": "/etc/passwd"}', "file: Extra inputs are not permitted"),
    ('{"command": "pau', "Invalid JSON: EOF while parsing a string"),
    ("{}", "command: Field required"),
    (b"\xff\xfe", "command: Input should be"),
    (b'{"command": "\xff"}', "Invalid JSON"),
    (b"{" * 1024, "Invalid JSON"),
    (b" " * 1025, "a command has at most 1024 bytes, not 1025"),
]


@pytest.mark.parametrize(("payload", "reason"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_answered_with_the_reason_and_counted(desk: Desk, payload: Any, reason: str) -> None:
    desk.hear(payload)
    response = desk.take_response()
    assert (response["ok"], response["command"], response["state"]) == (False, None, None)
    assert response["error"].startswith(reason)
    assert (desk.requests, desk.commands.refused) == ([], 1)


def test_response_topic_and_correlation_data_are_honoured(desk: Desk) -> None:
    desk.hear("status", response_topic="apps/panel/answers", correlation=b"\x00\x01")
    desk.requests[0].answer(STATE, None)
    assert (desk.posted[0].topic, desk.posted[0].correlation) == ("apps/panel/answers", b"\x00\x01")


@pytest.mark.parametrize(
    "topic", ["edge-fer/kitchen/command", "edge-fer/kitchen/availability", "$SYS/broker", "answers/#", "a/+/b", "a\0b"]
)
def test_a_response_topic_that_could_do_harm_is_refused(desk: Desk, topic: str) -> None:
    desk.hear("status", response_topic=topic, correlation=b"7")
    assert (desk.posted[0].topic, desk.posted[0].correlation) == ("edge-fer/kitchen/response", b"7")
    assert desk.take_response()["error"] == f"{topic!r} cannot be answered on"
    assert desk.requests == []


def test_retained_commands_are_ignored_and_counted(desk: Desk) -> None:
    desk.hear("pause", retained=True)
    assert (desk.requests, desk.posted, desk.commands.refused) == ([], [], 1)


def test_no_bytes_whatever_do_more_than_be_refused(desk: Desk) -> None:
    chance = random.Random(1)  # noqa: S311 - nothing secret
    seeds = (b'{"command": "set", "values": {"rate_hz": 2}}', b'{"command": "pause"}', b"[" * 1000, b'{"a":' * 150)
    for _ in range(2000):
        payload = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 8)):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
        desk.now_s += 1
        desk.hear(bytes(payload))
    assert {request.command for request in desk.requests} <= {"pause", "set"}, "no other was begun with"
    assert all(request.values.keys() <= {"rate_hz"} for request in desk.requests)
    schema = jsonschema.Draft202012Validator(schemas.load("response"))
    for message in desk.posted:
        response = json.loads(message.payload)
        schema.validate(response)
        assert response["ok"] is False
    assert len(desk.posted) + len(desk.requests) == 2000
    assert len(desk.posted) == desk.commands.refused > 1000


def test_a_flood_is_dropped_told_once_and_ends(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        desk.hear("status")
    assert (len(desk.requests), desk.posted, desk.commands.refused) == (10, [], 90)
    assert len(caplog.records) == 1
    desk.now_s = 1.0
    for _ in range(5):
        desk.hear("status")
    assert len(desk.requests) == 12
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def _objects() -> Iterator[Any]:
    yield from schemas.load("command")["examples"]
    for text in (text for text, _ in WRONG if isinstance(text, str)):
        with contextlib.suppress(ValueError):
            yield json.loads(text)


@pytest.mark.parametrize("payload", list(_objects()))
def test_the_published_schema_says_the_same_as_the_check(desk: Desk, payload: Any) -> None:
    desk.hear(payload)
    assert jsonschema.Draft202012Validator(schemas.load("command")).is_valid(payload) == bool(desk.requests)
