"""The command line as a person meets it."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge_fer.__main__ import main
from edge_fer.card import shipped_models
from edge_fer.config import Config
from edge_fer.model_files import YUNET

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"


@pytest.fixture(autouse=True)
def no_yunet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No detector is installed, whatever this machine has."""
    monkeypatch.setenv("EDGE_FER_MODELS", str(tmp_path / "no-models"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration of a small film that is over soon."""
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for brightness in range(20):
        writer.write(np.full((48, 64, 3), 10 * brightness, np.uint8))
    writer.release()
    return write_config(tmp_path, camera={"source": str(tmp_path / "film.avi"), "realtime": False})


def write_config(folder: Path, **changes: object) -> Path:
    path = folder / "edge-fer.yaml"
    path.write_text(yaml.safe_dump({"device": "test", "model": str(TINY), "mqtt": {"enabled": False}, **changes}))
    return path


def edge_fer(*arguments: str | Path, code: int = 0) -> None:
    assert main([str(argument) for argument in arguments]) == code


def test_help_is_quick_to_load() -> None:
    """Neither OpenCV nor a TFLite runtime nor paho is imported for --help."""
    seen = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "edge_fer", "--help"], capture_output=True, text=True, check=True
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in seen.stderr.splitlines()}
    assert "argparse" in imported
    assert imported & {"cv2", "ai_edge_litert", "tflite_runtime", "paho", "keras", "tensorflow", "matplotlib"} == set()
    exit_codes = seen.stdout.partition("exit codes:\n")[2].splitlines()
    assert [line.strip().partition("  ")[0] for line in exit_codes] == ["0", "1", "2", "3", "130, 143"]
    for command in ("run", "demo", "check", "bench", "config", "predict", "evaluate", "models", "watch", "simulate"):
        assert re.search(rf"^    {command} ", seen.stdout, re.MULTILINE)


def test_the_daemon_never_imports_keras_or_the_trainer(config: Path) -> None:
    script = (
        "import sys; from edge_fer.__main__ import main; code = main(sys.argv[1:]);"
        "wrong = {'keras', 'tensorflow', 'edge_fer_train', 'edge_fer_quantize'} & set(sys.modules);"
        "sys.exit(code or wrong or 0)"
    )
    subprocess.run([sys.executable, "-c", script, "run", "--config", config], check=True)


def test_the_daemon_holds_no_memory_for_what_is_not_configured(config: Path) -> None:
    """Some megabytes are much on a board with 512."""
    script = (
        "import sys; from edge_fer.__main__ import main; code = main(sys.argv[1:]);"
        "sys.exit(code or ', '.join({'asyncio', 'sqlite3', 'starlette', 'uvicorn', 'amqtt'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script, "run", "--config", config], check=True)


def test_run_ends_with_the_film(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        edge_fer("run", "--config", config)
    assert "The film is over" in caplog.messages


def test_a_config_with_five_errors_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("camera:\n  sorce: 0\n  fps: -1\nmqtt:\n  port: 0\nthreads: many\nmodel: 7\n")
    edge_fer("run", "--config", path, code=2)
    assert capsys.readouterr().err.splitlines() == [
        f"{path}:2: camera.sorce: there is no such key; did you mean source?",
        f"{path}:3: camera.fps: -1 is not right; give a number above 0 up to 1000",
        f"{path}:5: mqtt.port: 0 is not right; give a whole number from 1 up to 65535",
        f"{path}:6: threads: 'many' is not right; give a whole number from 1 up to 16",
        f"{path}:7: model: 7 is not right; give text",
    ]


def damaged(folder: Path, content: bytes, *, card: str) -> Path:
    """A model with a content of its own, and the card of the tiny one."""
    model = folder / "tiny.tflite"
    model.write_bytes(content)
    (folder / "tiny.json").write_text(card)
    return model


def test_models_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = TINY.with_suffix(".json").read_text()
    model = damaged(tmp_path, b"", card=card)
    edge_fer("run", "--config", write_config(tmp_path, model=str(model)), code=1)
    assert capsys.readouterr().err == f"edge-fer: {model}: the file is empty; copy or download the model again\n"
    damaged(tmp_path, TINY.read_bytes() + b"more", card=card)
    edge_fer("run", "--config", write_config(tmp_path, model=str(model)), code=1)
    assert f"edge-fer: {model.with_suffix('.json')}: this card belongs to another model" in capsys.readouterr().err


def test_a_misspelt_model_is_not_tried_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, on which systemd gives up: unlike a file, a name does not turn up later."""
    path = write_config(tmp_path, model="nosuch")
    edge_fer("run", "--config", path, code=2)
    assert capsys.readouterr().err.startswith(f"{path}: model: there is no shipped model called 'nosuch': shipped are ")


def test_a_corrupt_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"this is no film" * 100)
    edge_fer("run", "--config", write_config(tmp_path, camera={"source": str(film)}), code=1)
    assert capsys.readouterr().err == f"edge-fer: {film} is no video that FFmpeg can read, or it is damaged\n"


def test_a_source_that_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge_fer("run", "--config", write_config(tmp_path, camera={"source": "missing.mp4"}), code=1)
    assert capsys.readouterr().err.startswith("edge-fer: camera source 'missing.mp4' does not exist; right would be")


def test_a_detector_that_is_not_installed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge_fer("run", "--config", write_config(tmp_path, detector={"kind": "yunet"}), code=1)
    missing = tmp_path / "no-models" / YUNET.file_name
    assert capsys.readouterr().err == (
        f"edge-fer: detector yunet: there is no {missing}; run `edge-fer models pull`, or set detector.kind to edge\n"
    )


def test_check_says_what_works_and_what_does_not(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1})
    edge_fer("check", "--config", config, "--json")
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert list(findings) == ["machine", "versions", "camera", "detector", "model", "threads", "broker"]
    assert all(finding["works"] for finding in findings.values())
    assert "film.avi: 64x48 MJPG 10 fps" in findings["camera"]["text"]
    assert findings["detector"]["text"].startswith("edge, ")
    assert findings["model"]["text"].startswith("tiny 88a08f11b165, 5672 bytes, ")
    assert findings["model"]["text"].endswith(f" ms per face (shipped: {', '.join(shipped_models())})")
    assert "`threads: " in findings["threads"]["text"]
    assert findings["broker"]["text"] == "not asked for (mqtt.enabled is false)"


def test_check_fails_for_a_camera_and_a_broker_that_are_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, camera={"source": 99}, mqtt={"host": "127.0.0.1", "port": 1})
    edge_fer("check", "--config", path, code=1)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:15] for line in lines if line.startswith("FAIL")] == ["FAIL  camera   ", "FAIL  broker   "]
    assert "/dev/video99" in lines[2]
    assert "The MQTT broker 127.0.0.1:1 cannot be reached: Connection refused" in lines[6]


def test_config_prints_what_is_in_effect_without_secrets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_FER_MQTT_PASSWORD", "s3cret")
    path = tmp_path / "c.yaml"
    path.write_text("camera: {source: 'rtsp://ada:lovelace@camera:554/live'}\nmqtt: {username: ada}\n")
    edge_fer("config", "--print", "--config", path)
    printed = capsys.readouterr().out
    assert "s3cret" not in printed
    assert "lovelace" not in printed
    effective = yaml.safe_load(printed)
    assert effective["camera"]["source"] == "rtsp://camera:554/live"
    assert effective["mqtt"]["password"] == "**********"  # noqa: S105
    assert effective["smoothing"] == Config().smoothing.model_dump()


def test_config_prints_a_schema_that_editors_understand(capsys: pytest.CaptureFixture[str]) -> None:
    edge_fer("config", "--schema")
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["threads"]["maximum"] == 16
    assert schema["$defs"]["MqttConfig"]["properties"]["port"]["description"] == "Port of the broker."


def test_models_list_and_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no-models" / YUNET.file_name
    edge_fer("models", "list")
    assert capsys.readouterr().out == f"yunet\t232589 bytes\tMIT\tnot installed\t{path}\n"
    edge_fer("models", "verify", code=1)
    assert capsys.readouterr().out == f"{path}: there is no such file; `edge-fer models pull` fetches it\n"


@pytest.mark.data
def test_models_verify_and_pull_leave_a_good_file_alone(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGE_FER_MODELS", str(data / "models"))
    path = data / "models" / YUNET.file_name
    for action in ("verify", "pull"):
        edge_fer("models", action)
        assert capsys.readouterr().out == f"{path}: whole and unchanged\n"


def test_bench_writes_the_figures_that_others_rely_on(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edge_fer("bench", "--config", config, "--source", "clip", "--seconds", "0.3", "--json", tmp_path / "bench.json")
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert list(figures["stages"]) == ["capture", "detect", "track", "smooth", "publish"]
    assert {"p50_ms", "p90_ms", "p99_ms"} <= figures["stages"]["detect"].keys()
    assert (figures["detector"], figures["model"]["name"], figures["time_to_first_reading_s"]) == ("edge", "tiny", None)
    assert {"fps", "rss_mb", "board", "overhead"} <= figures.keys()
    assert "\nfps  " in capsys.readouterr().out


def test_bench_says_where_it_cannot_write(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    json_file = tmp_path / "missing" / "bench.json"
    edge_fer("bench", "--config", config, "--source", "clip", "--seconds", "60", "--json", json_file, code=2)
    assert capsys.readouterr().err.startswith(f"--json: {tmp_path}/missing is no folder that can be written to; ")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("bench --faces 17", "--faces: '17' is not right; give a whole number from 0 up to 16"),
        ("bench --faces=-1", "--faces: '-1' is not right; give a whole number from 0 up to 16"),
        ("bench --faces one", "--faces: 'one' is not right; give a whole number from 0 up to 16"),
        ("bench --seconds 0", "--seconds: '0' is not right; give a number above 0 up to 86400"),
        ("bench --seconds long", "--seconds: 'long' is not right; give a number above 0 up to 86400"),
        ("bench --threads 0,1", "--threads: '0' is not right; give a whole number from 1 up to 16"),
        ("bench --threads 1,17", "--threads: '17' is not right; give a whole number from 1 up to 16"),
        ("bench --threads 1,", "--threads: '' is not right; give a whole number from 1 up to 16"),
        ("watch --port 99999", "--port: '99999' is not right; give a whole number from 1 up to 65535"),
        ("watch --port mqtt", "--port: 'mqtt' is not right; give a whole number from 1 up to 65535"),
        ("watch --seconds=-2", "--seconds: '-2' is not right; give a number above 0"),
        ("simulate --devices abc", "--devices: 'abc' is not right; give a whole number from 1 up"),
        ("simulate --faces 0", "--faces: '0' is not right; give a whole number from 1 up"),
        ("simulate --seconds=-2", "--seconds: '-2' is not right; give a number above 0"),
        ("simulate --seconds nan", "--seconds: 'nan' is not right; give a number above 0"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    arguments: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments.split())
    assert refused.value.code == 2
    assert capsys.readouterr().err.endswith(f": error: argument {problem}\n")


def test_bench_refuses_a_film_that_is_too_short(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge_fer("bench", "--config", config, code=1)
    assert "film.avi: 20 frames are too few to measure" in capsys.readouterr().err


def test_an_output_pipe_that_closes_is_no_error(config: Path) -> None:
    path = config.with_name("loop.yaml")
    path.write_text(config.read_text().replace("realtime: false", "realtime: false\n  loop: true"))
    command = f"{sys.executable} -m edge_fer predict --json --config {config} {config.parent}/film.avi | head -n 1"
    seen = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=True)
    assert json.loads(seen.stdout)["faces"] == []
    assert "Traceback" not in seen.stderr


def test_config_checked_says_nothing_or_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edge-fer.yaml"
    path.write_text("threads: 2\n")
    assert main(["config", "--check", "--config", str(path)]) == 0
    assert capsys.readouterr() == ("", "")
    path.write_text("threads: 99\n")
    assert main(["config", "--check", "--config", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}:1: threads: 99 is not right; give a whole number from 1 up to 16\n"
    path.write_text("model: nosuch\n")
    assert main(["config", "--check", "--config", str(path)]) == 2
    assert capsys.readouterr().err.startswith(f"{path}:1: model: there is no shipped model called 'nosuch': ")
