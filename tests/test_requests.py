"""What the network asks of a running daemon."""

from collections.abc import Callable

from edge_fer.camera import Capture, UnusableSourceError
from edge_fer.config import CameraConfig
from edge_fer.control import Request, Wish
from edge_fer.publish.reports import DeviceState, HealthReport
from tests.stage import FakeCapture, Stage, config, reload


class Asker:
    """Asks the loop from within a script and keeps the answers."""

    def __init__(self, stage: Stage) -> None:
        self.answers: list[tuple[DeviceState, str | None]] = []
        self._stage = stage

    def ask(self, command: str, **values: float) -> Callable[[], None]:
        request = Request(command, values, lambda state, error: self.answers.append((state, error)))
        return lambda: self._stage.control.ask(request)


def test_requests_are_fulfilled_and_answered_with_how_things_are_then() -> None:
    before, after = FakeCapture(), FakeCapture(5.0)
    stage = Stage(before, after)
    asker = Asker(stage)
    before.script = [0.0, asker.ask("status"), None, asker.ask("pause"), 0.1]
    before.when_stopped = asker.ask("resume")
    heard = stage.run()[1:]
    assert heard == [
        "running", "camera on", (0.0, 0), (0.1, 0), "paused", "camera off", (0.0, 0),
        "running", "camera on", (5.0, 0), "closed",
    ]  # fmt: skip
    assert [(state.paused, state.camera_online, error) for state, error in asker.answers] == [
        (False, True, None), (True, False, None), (False, True, None),
    ]  # fmt: skip
    state, _ = asker.answers[0]
    assert (state.faces, state.heartbeat_s, state.rate_hz, state.health_s) == (0, 10.0, 5.0, 30.0)


def test_a_request_that_fails_is_answered_with_the_reason_and_the_daemon_goes_on() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    asker = Asker(stage)

    def fail(_settings: CameraConfig) -> Capture:
        stage.control.ask(Wish.RESUME)
        stage.control.ask(Wish.STOP)
        raise UnusableSourceError("the film is gone")

    capture.script = [0.0, stage.ask(Wish.PAUSE), asker.ask("resume"), None]
    stage.assembly._open_capture = fail
    assert stage.run()[-1] == "closed"
    assert [(state.paused, error) for state, error in asker.answers] == [(True, "the film is gone")]


def test_set_changes_the_running_configuration_until_the_next_reload() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    asker = Asker(stage)
    pipeline = stage.assembly.pipeline
    capture.script = [0.0, asker.ask("set", rate_hz=20.0, health_s=1.0), None, 0.1, reload(stage, config()), None]
    rates: list[float] = []
    capture.script += [lambda: rates.append(stage.assembly.config.mqtt.rate_hz), None]
    stage.run()
    assert [(state.rate_hz, state.heartbeat_s, state.health_s) for state, _ in asker.answers] == [(20.0, 10.0, 1.0)]
    assert rates == [5.0]
    assert stage.assembly.pipeline is pipeline


def test_publish_tells_state_and_health_at_once() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    asker = Asker(stage)
    capture.script = [0.0, asker.ask("publish"), None, 0.1]
    heard = stage.run()
    assert heard[4:6] == ["refresh", (0.1, 0)]
    assert isinstance(heard[6], HealthReport)
    assert len(asker.answers) == 1
