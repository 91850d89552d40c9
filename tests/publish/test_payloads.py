import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from edge_fer.publish import payloads, schemas
from edge_fer.publish.reports import HealthReport, Info, LinkStats
from edge_fer.records import LABELS, UNCERTAIN, Reading

WALL_S = 1769860800.123
LINK = LinkStats(connected=True, protocol="5", reconnects=2, queued=3, lost=4, events_lost=2)


def validate(schema: str, payload: bytes) -> Any:
    decoded = json.loads(payload)
    Draft202012Validator(schemas.load(schema)).validate(decoded)
    return decoded


def test_a_face_carries_its_reading(make_reading: Callable[..., Reading]) -> None:
    reading = Reading(
        time_s=99.0,
        track=3,
        emotion="happy",
        confidence=0.8314,
        scores=dict(zip(LABELS, (0.0101, 0.002, 0.0079, 0.8314, 0.0116, 0.043, 0.094), strict=True)),
        box=(0.41251234, 0.21, 0.15312, 0.27077),
        for_s=2.4012,
    )
    assert validate("reading", payloads.encode(payloads.face(reading, 17, WALL_S))) == {
        "time": "2026-01-31T12:00:00.123Z",
        "seq": 17,
        "track": 3,
        "emotion": "happy",
        "confidence": 0.831,
        "scores": {
            "angry": 0.01,
            "disgust": 0.002,
            "fear": 0.008,
            "happy": 0.831,
            "sad": 0.012,
            "surprise": 0.043,
            "neutral": 0.094,
        },
        "box": [0.4125, 0.21, 0.1531, 0.2708],
        "for_s": 2.4,
    }


def test_an_uncertain_face_is_valid(make_reading: Callable[..., Reading]) -> None:
    payload = payloads.encode(payloads.face(make_reading(emotion=UNCERTAIN, confidence=1 / 7), 1, WALL_S))
    assert validate("reading", payload)["emotion"] == "uncertain"


def test_nobody_has_the_same_keys_and_a_null_emotion(make_reading: Callable[..., Reading]) -> None:
    payload = validate("reading", payloads.encode(payloads.nobody(2, WALL_S)))
    assert payload["seq"] == 2
    assert {key for key, value in payload.items() if value is not None} == {"time", "seq"}
    assert payload.keys() == payloads.face(make_reading(), 1, WALL_S).keys()


def test_info_says_what_runs_here(info: Info) -> None:
    payload = validate("info", payloads.encode(payloads.info(info)))
    assert payload["camera"] == "rtsp://camera.local:554/stream1"
    assert payload["started_at"] == "2026-01-31T11:58:02.000Z"
    assert payload["model"] == {"name": "emotion", "sha256": "ab" * 32, "labels": list(LABELS)}


def test_health_joins_the_daemons_figures_and_the_links(report: HealthReport) -> None:
    assert validate("health", payloads.encode(payloads.health(report, LINK, 5, WALL_S))) == {
        "time": "2026-01-31T12:00:00.123Z",
        "fps": 14.99,
        "stages": {
            "detect": {"p50_ms": 21.3, "p95_ms": 25.0, "p99_ms": 31.75},
            "classify": {"p50_ms": 0.9, "p95_ms": 1.1, "p99_ms": 1.8},
        },
        "dropped_frames": 12,
        "camera_reconnects": 1,
        "broker_reconnects": 2,
        "outbox_queued": 3,
        "outbox_lost": 4,
        "events_lost": 2,
        "commands_refused": 5,
        "rss_mb": 91.4,
        "temperature_c": 54.2,
        "throttled": None,
        "under_voltage": None,
    }


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_in_json_never_leaves(value: float, make_reading: Callable[..., Reading]) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        payloads.encode({"fps": value})
    with pytest.raises(ValueError, match="sum to 1"):
        payloads.round_scores({"happy": value, "sad": 0.5})


def test_the_payload_is_compact_utf8() -> None:
    assert payloads.encode({"name": "Küche", "n": [1, 2]}) == '{"name":"Küche","n":[1,2]}'.encode()


@pytest.mark.parametrize(
    ("scores", "rounded"),
    [
        ((1 / 3, 1 / 3, 1 / 3), (0.334, 0.333, 0.333)),
        ((1.0, 1e-9, 0.0), (1.0, 0.0, 0.0)),
        ((0.9996, 0.0003, 0.0001), (1.0, 0.0, 0.0)),
        ((0.0006, 0.0006, 0.9988), (0.001, 0.0, 0.999)),
        ((0.5, 0.25000003, 0.25), (0.5, 0.25, 0.25)),
    ],
)
def test_rounded_scores_sum_to_one(scores: tuple[float, ...], rounded: tuple[float, ...]) -> None:
    result = payloads.round_scores(dict(zip("abc", scores, strict=True)))
    assert result == pytest.approx(dict(zip("abc", rounded, strict=True)), abs=1e-12)
    assert sum(result.values()) == pytest.approx(1, abs=1e-9)


def test_scores_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not to 0\.9"):
        payloads.round_scores({"happy": 0.5, "sad": 0.4})


@pytest.mark.parametrize(
    ("wall_s", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1769860800.9996, "2026-01-31T12:00:01.000Z"),
        (1769860800.0004, "2026-01-31T12:00:00.000Z"),
    ],
)
def test_time_is_utc_in_milliseconds(wall_s: float, text: str) -> None:
    assert payloads.timestamp(wall_s) == text


def test_availability_is_plain_text() -> None:
    assert payloads.availability(True) == b"online"
    assert payloads.availability(False) == b"offline"


@pytest.mark.parametrize("name", sorted(set(schemas.TOPICS.values())))
def test_every_schema_is_one_and_its_examples_are_valid(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert schema["examples"]
    for example in schema["examples"]:
        Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(
    "change", [{"seq": 0}, {"confidence": 1.1}, {"time": "2026-01-31 12:00:00"}, {"emotion": None}, {"mood": "fine"}]
)
def test_the_reading_schema_refuses_what_is_wrong(change: dict[str, Any]) -> None:
    schema = schemas.load("reading")
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(schema["examples"][0] | change)


def test_an_unknown_schema_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        schemas.load("nothing")
