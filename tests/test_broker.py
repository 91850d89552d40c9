import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_fer.broker import HOST, PROTOCOL, EmbeddedBroker, is_broker_listening
from edge_fer.errors import BrokerError
from edge_fer.publish.mqtt import connect, try_broker
from tests.conftest import require


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def subscribe() -> Iterator[Callable[[int, str], "subprocess.Popen[str]"]]:
    """Starts mosquitto_sub, which writes topic and payload of what it gets."""
    with ExitStack() as stack:

        def start(port: int, topic: str) -> "subprocess.Popen[str]":
            process = stack.enter_context(
                subprocess.Popen(
                    [require("mosquitto_sub"), "-p", str(port), "-t", topic, "-v"], stdout=subprocess.PIPE, text=True
                )
            )
            stack.callback(process.kill)
            return process

        yield start


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {timeout_s} s")
        time.sleep(0.01)


def lines_until(process: "subprocess.Popen[str]", last: str) -> list[str]:
    """What the subscriber writes, up to this line."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if lines[-1] == last:
            return lines
    pytest.fail(f"the subscriber ended before {last}: {lines}")


def test_what_listens_and_what_does_not(port: int) -> None:
    assert not is_broker_listening(HOST, port, 1)
    with socket.create_server((HOST, port)):
        assert is_broker_listening(HOST, port, 1)
    assert not is_broker_listening("a..b", port, 1)


def test_a_taken_port_is_one_sentence(port: int) -> None:
    with (
        socket.create_server((HOST, port)),
        pytest.raises(BrokerError, match=rf"^The embedded broker cannot start: port {port} of 127\.0\.0\.1 is taken$"),
    ):
        EmbeddedBroker(port)


def test_a_missing_extra_is_one_sentence(port: int, tmp_path: Path) -> None:
    """In a Python that has the standard library and this package alone."""
    (tmp_path / "edge_fer").symlink_to(Path(__file__).parents[1] / "edge_fer")
    script = f"""
from edge_fer.broker import EmbeddedBroker
from edge_fer.errors import BrokerError
try:
    EmbeddedBroker({port})
except BrokerError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "There is no embedded broker: install it with pip install 'edge-fer[broker]', or run mosquitto\n"
    )


@pytest.fixture
def _amqtt() -> None:
    if importlib.util.find_spec("amqtt") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("amqtt is not installed")
        pytest.skip("amqtt is not installed")


@pytest.mark.real
@pytest.mark.usefixtures("_amqtt")
def test_it_listens_on_this_machine_only_and_ends(port: int) -> None:
    with EmbeddedBroker(port) as broker:
        assert is_broker_listening(broker.host, broker.port, 1)
        assert not is_broker_listening("127.0.0.2", port, 1)
    assert not is_broker_listening(HOST, port, 1)
    broker.close()


@pytest.mark.real
@pytest.mark.usefixtures("_amqtt")
def test_retained_state_and_the_last_will_reach_mosquitto_sub(
    port: int, subscribe: Callable[[int, str], "subprocess.Popen[str]"]
) -> None:
    script = (
        "import sys, time; from edge_fer.publish.mqtt import connect;"
        "sink = connect(device='hall', host='127.0.0.1', port=int(sys.argv[1]), protocol='3.1.1');"
        "sink.camera(online=True); time.sleep(60)"
    )
    with EmbeddedBroker(port), ExitStack() as stack:
        sink = connect(device="kitchen", host=HOST, port=port, protocol=PROTOCOL)
        stack.callback(sink.close)
        sink.publish(0, [])
        wait_until(lambda: sink.link.connected and sink.link.queued == 0)
        kitchen = subscribe(port, "edge-fer/kitchen/#")
        sink.camera(online=True)
        seen = lines_until(kitchen, "edge-fer/kitchen/camera/availability online")
        assert "edge-fer/kitchen/availability online" in seen
        assert any(line.startswith('edge-fer/kitchen/emotion {"time":') for line in seen)
        sink.close()
        lines_until(kitchen, "edge-fer/kitchen/availability offline")

        hall = subscribe(port, "edge-fer/hall/#")
        daemon = stack.enter_context(subprocess.Popen([sys.executable, "-c", script, str(port)]))
        lines_until(hall, "edge-fer/hall/camera/availability online")
        daemon.kill()
        assert lines_until(hall, "edge-fer/hall/availability offline")


@pytest.mark.real
@pytest.mark.usefixtures("_amqtt")
def test_a_client_of_mqtt_5_falls_back(port: int, caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedBroker(port), ExitStack() as stack:
        assert try_broker(host=HOST, port=port) == "3.1.1"
        with pytest.raises(BrokerError, match="does not let us in"):
            try_broker(host=HOST, port=port, protocol="5", timeout_s=1)
        sink = connect(device="kitchen", host=HOST, port=port)
        stack.callback(sink.close)
        wait_until(lambda: sink.link.connected)
        assert sink.link.protocol == "3.1.1"
    assert [record.getMessage() for record in caplog.records if "let us in" in record.getMessage()] == []


@pytest.mark.real
@pytest.mark.usefixtures("_amqtt")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_it_ends_with_its_parent(port: int, end: signal.Signals) -> None:
    script = (
        "import sys, time; from edge_fer.broker import EmbeddedBroker;"
        "broker = EmbeddedBroker(int(sys.argv[1])); print(broker.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(port)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(end)
        parent.wait()
        wait_until(lambda: not is_broker_listening(HOST, port, 1))
        wait_until(lambda: not _is_alive(child))


def _is_alive(pid: int) -> bool:
    try:
        state: Any = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return bool(state != "Z")
