import logging
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from edge_fer.assembly import Assembly
from edge_fer.board import Strain
from edge_fer.camera import Capture
from edge_fer.config import Config
from edge_fer.control import Control, Wish
from edge_fer.errors import ConfigError
from edge_fer.publish.reports import HealthReport, Info
from tests.stage import FakeCapture, RecordingSink, Stage, config, reload


def test_a_film_runs_to_its_end_and_everything_is_closed() -> None:
    capture = FakeCapture(0.0, 0.1, 0.2)
    info, *heard = Stage(capture).run()
    assert (info.model_name, info.camera, info.detector, info.labels[0]) == ("tiny", "fake", "edge", "angry")
    assert heard == ["running", "camera on", (0.0, 0), (0.1, 0), (0.2, 0), "closed"]
    assert capture.stopped


def test_stop_ends_the_loop_after_the_current_frame() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    capture.script = [0.0, stage.ask(Wish.STOP), 0.1, 0.2]
    assert stage.run()[1:] == ["running", "camera on", (0.0, 0), (0.1, 0), "closed"]


def test_a_lost_camera_is_told_once_and_nobody_stays_behind() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    stage.clock.now_s = 7.0
    capture.script = [0.0, capture.unplug, None, None, capture.replug, 9.0]
    assert stage.run()[2:] == ["camera on", (0.0, 0), "camera off", (7.0, 0), "camera on", (9.0, 0), "closed"]


def test_a_camera_that_is_missing_from_the_start_is_told_at_once() -> None:
    capture = FakeCapture(None)
    capture.unplug()
    assert Stage(capture).run()[2:] == ["camera off", (0.0, 0), "closed"]


def test_health_is_reported_once_a_period() -> None:
    capture = FakeCapture()
    stage = Stage(capture, settings=config(mqtt={"enabled": False, "health_s": 10}))

    def wait_5_s() -> None:
        stage.clock.now_s += 5

    capture.script = [wait_5_s, 0.0, wait_5_s, 0.1, wait_5_s, 0.2, wait_5_s, 0.3]
    reports = [heard for heard in stage.run() if isinstance(heard, HealthReport)]
    assert [(report.fps, report.dropped_frames, report.camera_reconnects) for report in reports] == [(0.2, 2, 0)] * 2
    assert list(reports[0].stages) == ["detect", "track", "smooth", "publish"]


def test_reload_exchanges_what_changed_and_nothing_else() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    before = stage.assembly.pipeline
    capture.script = [0.0, reload(stage, config(smoothing={"dwell_s": 1.0})), None, 0.1]
    heard = stage.run()
    first, second = (index for index, one in enumerate(heard) if isinstance(one, Info))
    assert heard[first + 1 : second] == ["running", "camera on", (0.0, 0)]
    assert heard[second + 1 :] == ["running", "camera on", (0.1, 0), "closed"]
    assert heard[second].config_digest != heard[first].config_digest
    assert stage.assembly.pipeline is not before
    assert stage.assembly.capture is cast("Capture", capture)


def test_reload_with_another_camera_lets_go_of_the_old_one() -> None:
    old, new = FakeCapture(), FakeCapture(5.0)
    stage = Stage(old, new)
    old.script = [0.0, reload(stage, config(camera={"source": 1})), None]
    before = stage.assembly.pipeline
    heard = stage.run()
    assert (5.0, 0) in heard
    assert old.stopped
    assert new.stopped
    assert stage.assembly.pipeline is before


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (ConfigError("f.yaml:3: camera.fsp: there is no such key"), "f.yaml:3: camera.fsp: there is no such key"),
        (config(model="missing.tflite"), "missing.tflite: the model cannot be read: No such file or directory"),
    ],
    ids=["bad file", "bad model"],
)
def test_a_reload_that_fails_is_told_and_changes_nothing(
    settings: Config | ConfigError, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    capture.script = [0.0, reload(stage, settings), None, 0.1]
    with caplog.at_level(logging.ERROR):
        assert stage.run()[1:] == ["running", "camera on", (0.0, 0), (0.1, 0), "closed"]
    assert caplog.messages == [f"The configuration was not reloaded, the old one stays: {sentence}"]


def test_a_reload_without_changes_disturbs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    capture.script = [0.0, reload(stage, config()), None, 0.1]
    with caplog.at_level(logging.INFO, logger="edge_fer.daemon"):
        assert stage.run()[1:] == ["running", "camera on", (0.0, 0), (0.1, 0), "closed"]
    assert caplog.messages == ["The configuration was reloaded: nothing changed", "The film is over"]


def test_an_unknown_failure_ends_the_daemon_but_closes_everything_first() -> None:
    capture = FakeCapture()
    stage = Stage(capture)

    def fail() -> None:
        raise ZeroDivisionError

    capture.script = [fail]
    with pytest.raises(ZeroDivisionError):
        stage.run()
    assert stage.sink.heard[-1] == "closed"
    assert capture.stopped


def test_a_camera_that_hangs_in_its_driver_is_told_to_who_ends_the_process() -> None:
    assert Stage(FakeCapture(0.0)).daemon.run() is True
    assert Stage(FakeCapture(0.0, hangs=True)).daemon.run() is False
    paused = FakeCapture(hangs=True)
    stage = Stage(paused, FakeCapture(0.0))
    paused.script = [stage.ask(Wish.PAUSE), stage.ask(Wish.RESUME), None]
    assert stage.daemon.run() is False


def test_pause_releases_the_camera_and_resume_takes_it_again(caplog: pytest.LogCaptureFixture) -> None:
    before, after = FakeCapture(), FakeCapture(5.0)
    stage = Stage(before, after)
    stage.clock.now_s = 2.0
    before.when_stopped = stage.ask(Wish.RESUME)
    before.script = [0.0, stage.ask(Wish.PAUSE), stage.ask(Wish.PAUSE), 0.1, 0.2]
    with caplog.at_level(logging.INFO, logger="edge_fer.daemon"):
        heard = stage.run()[1:]
    assert heard == [
        "running", "camera on", (0.0, 0), (0.1, 0), "paused", "camera off", (2.0, 0),
        "running", "camera on", (5.0, 0), "closed",
    ]  # fmt: skip
    assert caplog.messages == ["Paused: the camera is released", "Resumed", "The film is over"]
    assert not stage.control.paused


def test_what_was_counted_of_the_camera_outlives_a_pause_and_another_camera() -> None:
    first, second, third = FakeCapture(), FakeCapture(), FakeCapture()
    first.state = replace(first.state, dropped=5, reconnects=1)
    stage = Stage(first, second, third, settings=config(mqtt={"enabled": False, "health_s": 10}))

    def wait_10_s() -> None:
        stage.clock.now_s += 10

    def look_away() -> None:
        stage.control.ask(Wish.PAUSE)
        stage.control.ask(Wish.RESUME)

    other = config(mqtt={"enabled": False, "health_s": 10}, camera={"source": 1})
    first.script = [wait_10_s, 0.0, look_away, None, None, None]
    second.script = [wait_10_s, 0.1, reload(stage, other), None]
    third.script = [None, wait_10_s, 0.2]
    reports = [heard for heard in stage.run() if isinstance(heard, HealthReport)]
    assert [(report.dropped_frames, report.camera_reconnects) for report in reports] == [(5, 1), (7, 1), (9, 1)]


def test_what_is_announced_holds_no_password() -> None:
    sink = RecordingSink()
    camera = {"source": "rtsp://ada:lovelace@127.0.0.1:554/live?token=s3cret"}
    assembly = Assembly(config(camera=camera), control=Control(), output=lambda _config: sink)
    assembly.announce()
    assembly.close()
    assert sink.heard[0].camera == "rtsp://127.0.0.1:554/live"
    other = {"source": "rtsp://ada:byron@127.0.0.1:554/live?token=s3cret"}
    again = Assembly(config(camera=other), control=Control(), output=lambda _config: sink)
    again.announce()
    assert sink.heard[-1].config_digest == sink.heard[0].config_digest


def test_the_watchdog_is_fed_after_each_frame_and_while_the_camera_is_lost_or_released() -> None:
    capture = FakeCapture()
    stage = Stage(capture, FakeCapture(5.0))

    def at(now_s: float) -> Callable[[], None]:
        return lambda: setattr(stage.clock, "now_s", now_s)

    capture.script = [at(1), 0.0, at(20), None, at(21), capture.unplug, None, at(22), stage.ask(Wish.PAUSE), None]

    def resume() -> None:
        stage.control.ask(Wish.RESUME)

    capture.when_stopped = resume
    stage.run()
    assert stage.notifier.heard == [
        "fed at 1", "ready",  # not at 20: online, and nothing for 19 s
        "fed at 21", "fed at 22",  # lost
        "fed at 22", "fed at 22",  # paused, and back
        "stopping",
    ]  # fmt: skip


def test_systemd_hears_of_a_reload_whatever_comes_of_it() -> None:
    capture = FakeCapture()
    stage = Stage(capture)
    capture.script = [0.0, reload(stage, ConfigError("no")), None, reload(stage, config(threads=2)), None]
    stage.run()
    told = [word for word in stage.notifier.heard if not word.startswith("fed")]
    assert told == ["ready", "reloading", "ready", "reloading", "ready", "stopping"]


def test_a_board_that_is_slowed_down_is_spared(caplog: pytest.LogCaptureFixture) -> None:
    capture = FakeCapture()
    stage = Stage(capture)

    def heat_up() -> None:
        stage.clock.now_s = 5.0
        stage.board = Strain(82.0, 80.0, throttled=True, under_voltage=False)

    capture.script = [0.0, heat_up, 5.0]
    stage.run()
    assert caplog.messages == [
        "The board is slowed down by heat (82 °C): faces are looked for less often until it is well"
    ]
