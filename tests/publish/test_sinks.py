import io
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from jsonschema import Draft202012Validator

from edge_fer.publish import schemas
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.publish.sinks import Sinks, StdoutSink
from edge_fer.records import Reading


@dataclass
class FakeSink:
    """Notes its calls in a list that it may share with others."""

    name: str
    calls: list[str] = field(default_factory=list)
    fails: bool = False

    def _note(self, call: str) -> None:
        self.calls.append(f"{self.name}.{call}")
        if self.fails:
            raise RuntimeError(self.name)

    def info(self, info: Info) -> None:
        self._note("info")

    def camera(self, online: bool) -> None:
        self._note(f"camera {online}")

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        self._note(f"publish {time_s} {len(readings)}")

    def running(self, on: bool) -> None:
        self._note(f"running {on}")

    def refresh(self) -> None:
        self._note("refresh")

    def health(self, report: HealthReport) -> None:
        self._note("health")

    def check(self) -> None:
        self._note("check")

    def close(self) -> None:
        self._note("close")


def test_stdout_gets_a_line_per_face_at_the_rate_and_one_for_nobody(
    make_reading: Callable[..., Reading], info: Info, report: HealthReport
) -> None:
    stream = io.StringIO()
    sink = StdoutSink(stream=stream, rate_hz=5, wall_clock=lambda: 1769860800.123)
    sink.info(info)
    sink.camera(online=True)
    sink.publish(0.00, [])
    for index in range(15):
        sink.publish(1 + index / 30, [make_reading(1), make_reading(2, "sad", width=0.1)])
    sink.health(report)
    sink.publish(2.00, [])
    sink.publish(30.0, [])
    sink.check()
    sink.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    for line in lines:
        Draft202012Validator(schemas.load("reading")).validate(line)
    assert [line["seq"] for line in lines] == list(range(1, 9))
    assert [(line["track"], line["emotion"]) for line in lines] == [
        (None, None), *[(1, "happy"), (2, "sad")] * 3, (None, None),
    ]  # fmt: skip


def test_several_sinks_are_one(make_reading: Callable[..., Reading], info: Info, report: HealthReport) -> None:
    calls: list[str] = []
    sinks = Sinks(FakeSink("a", calls), FakeSink("b", calls))
    sinks.info(info)
    sinks.camera(online=False)
    sinks.running(True)
    sinks.refresh()
    sinks.publish(1.5, [make_reading()])
    sinks.health(report)
    sinks.check()
    sinks.close()
    expected = ["info", "camera False", "running True", "refresh", "publish 1.5 1", "health", "check"]
    assert calls == [f"{name}.{call}" for call in expected for name in "ab"] + ["b.close", "a.close"]


def test_all_sinks_are_closed_even_when_one_fails() -> None:
    calls: list[str] = []
    with pytest.raises(RuntimeError, match="b"):
        Sinks(FakeSink("a", calls), FakeSink("b", calls, fails=True)).close()
    assert calls == ["b.close", "a.close"]


def test_who_needs_no_broker_does_not_load_its_client() -> None:
    script = (
        "import sys, edge_fer.broker, edge_fer.publish.policy, edge_fer.publish.schemas, edge_fer.publish.sinks;"
        "sys.exit(any(name.partition('.')[0] in ('paho', 'amqtt') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
