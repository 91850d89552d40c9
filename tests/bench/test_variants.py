import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_fer.bench.figures import Figures
from edge_fer.bench.variants import Choices, Way, measure_apart, side_by_side
from edge_fer.config import CameraConfig, Config, DetectorConfig, MqttConfig
from edge_fer.errors import EdgeFerError
from tests.conftest import free_port
from tests.mjpeg import MjpegServer

if TYPE_CHECKING:
    from tests.bench.conftest import MakeFigures

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"
WAY = Way("synthetic", faces=1, seconds=0.2)


def test_each_choice_changes_one_option_alone(make_figures: "MakeFigures") -> None:
    config = Config(detector=DetectorConfig(kind="yunet", model="/here/yunet.onnx"))
    measured: list[Config] = []

    def measure(changed: Config, way: Way) -> Figures:
        assert way is WAY
        measured.append(changed)
        return make_figures(fps=float(len(measured)))

    choices = Choices(threads=(1, 4), detectors=("yunet", "haar"), models=("emotion",))
    variants = list(side_by_side(config, choices, WAY, detector="yunet", measure=measure))
    assert [(one.option, one.choice, one.fps) for one in variants] == [
        ("threads", "1", 1.0),
        ("threads", "4", 2.0),
        ("detector", "yunet", 3.0),
        ("detector", "haar", 4.0),
        ("model", "emotion", 5.0),
    ]
    assert [one.threads for one in measured] == [1, 4, 1, 1, 1]
    # The named file is YuNet's own; Haar takes the one that comes with OpenCV.
    assert [(one.detector.kind, one.detector.model) for one in measured[2:4]] == [
        ("yunet", "/here/yunet.onnx"),
        ("haar", None),
    ]
    assert measured[4].model == "emotion"


def test_one_that_cannot_run_says_why_and_keeps_no_other_from_running(make_figures: "MakeFigures") -> None:
    def measure(changed: Config, _way: Way) -> Figures:
        if changed.threads == 2:
            raise EdgeFerError("too many threads")
        return make_figures()

    variants = list(side_by_side(Config(), Choices(threads=(2, 4)), WAY, detector="haar", measure=measure))
    assert [(one.choice, one.fps, one.problem) for one in variants] == [
        ("2", None, "too many threads"),
        ("4", 160.0, None),
    ]


def test_a_process_of_its_own_measures_without_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_FER_MQTT_PASSWORD", "secret")  # nor its password, which needs the user name
    mqtt = MqttConfig(host="broker.invalid", username="ada")
    config = Config(model=str(TINY), detector=DetectorConfig(kind="haar"), mqtt=mqtt)
    figures = measure_apart(config, WAY)
    assert (figures.model["name"], figures.detector, figures.conditions["source"]) == (
        "tiny",
        "haar",
        "synthetic, 1 face",
    )
    assert figures.latency.broker == "none asked for (mqtt.enabled is false)"


@pytest.fixture
def closed_camera() -> Iterator[MjpegServer]:
    camera = MjpegServer(free_port(), user="ada:hunter2")
    yield camera
    camera.kill()


@pytest.mark.real
def test_a_process_of_its_own_is_told_the_cameras_password(closed_camera: MjpegServer) -> None:
    camera = CameraConfig(source=f"http://ada:hunter2@127.0.0.1:{closed_camera.port}/live")
    figures = measure_apart(Config(model=str(TINY), camera=camera), Way("camera", faces=1, seconds=0.5))
    assert figures.frames > 0
    assert figures.conditions["source"] == f"http://127.0.0.1:{closed_camera.port}/live"


@pytest.mark.real
def test_a_password_is_nowhere_on_disk_even_if_the_bench_is_killed(closed_camera: MjpegServer, tmp_path: Path) -> None:
    camera = f"http://ada:hunter2@127.0.0.1:{closed_camera.port}/live"
    config = tmp_path / "edge-fer.yaml"
    config.write_text(f"model: {TINY}\ncamera: {{source: '{camera}'}}\nmqtt: {{enabled: false}}\n")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    command = [sys.executable, "-m", "edge_fer", "bench", "--config", str(config), "--source", "camera"]
    bench = subprocess.Popen(
        [*command, "--seconds", "1", "--threads", "1"],
        env=os.environ | {"TMPDIR": str(scratch)},
        start_new_session=True,
    )
    children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
    try:
        while not children.read_text():  # one that is given the configuration
            assert bench.poll() is None
            time.sleep(0.01)
    finally:
        os.killpg(bench.pid, signal.SIGKILL)
        bench.wait()
    assert len(list(scratch.glob("edge-fer-bench-*"))) == 1  # it was killed before it could clear up
    assert [path for path in scratch.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()] == []


def test_a_process_that_fails_gives_its_own_sentence(tmp_path: Path) -> None:
    config = Config(model=str(tmp_path / "none.tflite"))
    with pytest.raises(EdgeFerError, match=r"^.*none\.tflite: the model cannot be read: No such file or directory$"):
        measure_apart(config, WAY)
