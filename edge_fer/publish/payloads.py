"""From records to the bytes on the wire; the schemas in `edge_fer.publish.schemas` describe them.

Every JSON payload is compact and strict: a NaN or an infinity raises ValueError instead of leaving the
process, since JSON has no such numbers and a subscriber would drop the whole message.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Final

from edge_fer.publish.events import FaceEvent
from edge_fer.publish.reports import DeviceState, HealthReport, Info, LinkStats
from edge_fer.records import Reading

ONLINE: Final = b"online"
OFFLINE: Final = b"offline"

_SCORE_STEPS: Final = 1000


def encode(payload: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def face(reading: Reading, seq: int, wall_s: float) -> dict[str, Any]:
    """The message about one face.

    Args:
        reading: what was found.
        seq: number of this message on its topic.
        wall_s: now, seconds since the epoch.

    Raises:
        ValueError: its scores are no probabilities that sum to 1.
    """
    return {"time": timestamp(wall_s), "seq": seq, **face_fields(reading)}


def face_fields(reading: Reading) -> dict[str, Any]:
    """What was found of one face, without when and how it is sent.

    Raises:
        ValueError: its scores are no probabilities that sum to 1.
    """
    return {
        "track": reading.track,
        "emotion": reading.emotion,
        "confidence": round(reading.confidence, 3),
        "scores": round_scores(reading.scores),
        "box": [round(side, 4) for side in reading.box],
        "for_s": round(reading.for_s, 2),
    }


def nobody(seq: int, wall_s: float) -> dict[str, Any]:
    """The same keys with nobody behind them, so that a subscriber's template need not ask which exist."""
    return {
        "time": timestamp(wall_s),
        "seq": seq,
        "track": None,
        "emotion": None,
        "confidence": None,
        "scores": None,
        "box": None,
        "for_s": None,
    }


def event(told: FaceEvent, run: str, wall_s: float) -> dict[str, Any]:
    """What happened to a face.

    Args:
        told: the event.
        run: names the run that its number belongs to.
        wall_s: now, seconds since the epoch.
    """
    before, after, summary = told.before, told.after, told.summary
    return {
        "time": timestamp(wall_s),
        "run": run,
        "seq": told.seq,
        "type": told.kind.value,
        "track": told.track,
        "before": before
        and {
            "emotion": before.emotion,
            "for_s": round(before.for_s, 2),
            "peak_confidence": round(before.peak_confidence, 3),
        },
        "after": after and {"emotion": after.emotion, "confidence": round(after.confidence, 3)},
        "visible_s": round(told.visible_s, 2),
        "summary": None if summary is None else {emotion: round(spent_s, 2) for emotion, spent_s in summary.items()},
    }


def info(report: Info) -> dict[str, Any]:
    """What runs here, without a secret."""
    return {
        "version": report.version,
        "model": {"name": report.model_name, "sha256": report.model_sha256, "labels": list(report.labels)},
        "camera": report.camera,
        "detector": report.detector,
        "started_at": timestamp(report.started_at_s),
        "config_digest": report.config_digest,
    }


def response(command: str | None, state: DeviceState | None, error: str | None, wall_s: float) -> dict[str, Any]:
    """The answer to a command; `command` and `state` are None if it was not understood."""
    return {
        "time": timestamp(wall_s),
        "command": command,
        "ok": error is None,
        "error": error,
        "state": state
        and {
            "paused": state.paused,
            "camera_online": state.camera_online,
            "faces": state.faces,
            "started_at": timestamp(state.started_at_s),
            "heartbeat_s": state.heartbeat_s,
            "rate_hz": state.rate_hz,
            "health_s": state.health_s,
        },
    }


def health(report: HealthReport, link: LinkStats, commands_refused: int, wall_s: float) -> dict[str, Any]:
    """How the daemon and its connection do."""
    return {
        "time": timestamp(wall_s),
        "fps": round(report.fps, 2),
        "stages": {
            name: {
                "p50_ms": round(stage.p50_ms, 2),
                "p95_ms": round(stage.p95_ms, 2),
                "p99_ms": round(stage.p99_ms, 2),
            }
            for name, stage in report.stages.items()
        },
        "dropped_frames": report.dropped_frames,
        "camera_reconnects": report.camera_reconnects,
        "broker_reconnects": link.reconnects,
        "outbox_queued": link.queued,
        "outbox_lost": link.lost,
        "events_lost": link.events_lost,
        "commands_refused": commands_refused,
        "rss_mb": round(report.rss_mb, 1),
        "temperature_c": None if report.temperature_c is None else round(report.temperature_c, 1),
        "throttled": report.throttled,
        "under_voltage": report.under_voltage,
    }


def running(on: bool) -> bytes:
    """Plain text, as Home Assistant wants the state of a switch."""
    return b"on" if on else b"off"


def availability(online: bool) -> bytes:
    """Plain text, as Home Assistant and the last will want it."""
    return ONLINE if online else OFFLINE


def timestamp(wall_s: float) -> str:
    """UTC as ISO 8601 with milliseconds and a Z: `2026-01-31T12:00:00.123Z`."""
    seconds, milliseconds = divmod(round(wall_s * 1000), 1000)
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def round_scores(scores: Mapping[str, float]) -> dict[str, float]:
    """Round probabilities to thousandths that still sum to 1.

    Each is rounded down and the missing thousandths go to those that lost most (the largest-remainder method),
    so none moves by a thousandth or more and the order is kept.

    Raises:
        ValueError: they do not sum to 1, or one is not finite.
    """
    total = sum(scores.values())
    if not math.isclose(total, 1.0, abs_tol=1e-4):
        raise ValueError(f"scores must be probabilities that sum to 1, not to {total}")
    steps = {label: int(score * _SCORE_STEPS) for label, score in scores.items()}
    by_remainder = sorted(scores, key=lambda label: steps[label] - scores[label] * _SCORE_STEPS)
    for label in by_remainder[: _SCORE_STEPS - sum(steps.values())]:
        steps[label] += 1
    return {label: step / _SCORE_STEPS for label, step in steps.items()}
