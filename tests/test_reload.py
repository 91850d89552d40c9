"""A reload that is refused leaves everything as it was, and none ends half-way."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from edge_fer.assembly import Assembly, LostPartError
from edge_fer.config import Config
from edge_fer.configfile import NO_PASSWORD
from edge_fer.control import Control
from edge_fer.errors import BrokerError
from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import LinkStats
from edge_fer.publish.spool import Spool
from edge_fer.web import LivePage, PageError
from tests.conftest import free_port
from tests.stage import FakeCapture, Stage, config, reload


class Broker:
    """Keeps what is retained, over all connections; `refuses` stands for a file that cannot be used."""

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.connections: list[MqttSink] = []
        self.refuses = False

    def connect(self, config: Config, _control: Control) -> MqttSink | None:
        if self.refuses:
            raise BrokerError("mqtt.events.spool: it cannot be used")
        base = f"edge-fer/{config.device_name}"
        sink = MqttSink(Post(self), base=base, heartbeat_s=10, rate_hz=5, event_ttl_s=60)
        self.connections.append(sink)
        return sink


class Post:
    """One connection to it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    @property
    def stats(self) -> LinkStats:
        return LinkStats(connected=True, protocol="5", reconnects=0, queued=0, lost=0, events_lost=0)

    def post(self, message: Message) -> None:
        if message.retain and message.payload:
            self._broker.retained[message.topic] = message.payload
        elif message.retain:
            self._broker.retained.pop(message.topic, None)

    def repeat(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize("device", ["test", "other"])
@pytest.mark.parametrize(
    ("mqtt", "key"),
    [
        ({"tls": {"enabled": True, "ca_file": "/no/ca.pem"}}, "mqtt.tls.ca_file"),
        ({"tls": {"enabled": True, "cert_file": "/no/cert.pem", "key_file": "/no/key.pem"}}, "mqtt.tls.cert_file"),
        ({"events": {"spool": "/no/events.db"}}, "mqtt.events.spool"),
    ],
)
def test_a_refused_reload_leaves_the_connection_and_all_that_is_retained(
    mqtt: dict[str, object], key: str, device: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker, capture = Broker(), FakeCapture()
    stage = Stage(capture, settings=config(mqtt={}), open_mqtt=broker.connect)
    seen: list[dict[str, bytes]] = []

    def look() -> None:
        seen.append(dict(broker.retained))

    capture.script = [0.0, look, reload(stage, config(device=device, mqtt=mqtt)), None, 0.1, look]
    with caplog.at_level(logging.ERROR):
        stage.run()
    [refused] = caplog.messages
    assert refused.startswith(f"The configuration was not reloaded, the old one stays: {key}: /no/")
    before, after = seen
    assert before["edge-fer/test/availability"] == before["edge-fer/test/camera/availability"] == b"online"
    assert before["edge-fer/test/running"] == b"on"
    assert {**after, "edge-fer/test/emotion": b""} == {**before, "edge-fer/test/emotion": b""}
    assert len(broker.connections) == 1


def test_after_a_reload_with_another_name_all_is_retained_below_that() -> None:
    broker, capture = Broker(), FakeCapture()
    stage = Stage(capture, settings=config(mqtt={}), open_mqtt=broker.connect)
    kept: dict[str, bytes] = {}
    capture.script = [
        0.0, reload(stage, config(device="other", mqtt={})), None, 0.1, lambda: kept.update(broker.retained),
    ]  # fmt: skip
    stage.run()
    assert {topic.split("/")[1] for topic in kept} == {"other"}
    states = ("availability", "camera/availability", "running")
    assert [kept[f"edge-fer/other/{state}"] for state in states] == [b"online", b"online", b"on"]


def test_a_connection_that_is_lost_in_a_reload_ends_the_daemon() -> None:
    broker, capture = Broker(), FakeCapture()
    stage = Stage(capture, settings=config(mqtt={}), open_mqtt=broker.connect)

    def disk_fails() -> None:
        broker.refuses = True

    capture.script = [0.0, disk_fails, reload(stage, config(mqtt={"keepalive_s": 5})), None, 0.1]
    with pytest.raises(LostPartError, match=r"was closed for a reload: mqtt\.events\.spool: it cannot be used$"):
        stage.run()
    assert stage.sink.heard[-1] == "closed"
    assert capture.stopped
    assert broker.retained["edge-fer/test/availability"] == b"offline"


@pytest.fixture
def assemble() -> Iterator[Callable[..., Assembly]]:
    with ExitStack() as stack:

        def make(**settings: object) -> Assembly:
            assembly = Assembly(config(**settings), control=Control())
            stack.callback(assembly.close)
            return assembly

        yield make


def test_a_new_connection_takes_over_the_spool_of_the_old_one(
    assemble: Callable[..., Assembly], tmp_path: Path
) -> None:
    mqtt = {"host": "127.0.0.1", "port": free_port()}
    path = tmp_path / "events.db"
    spool = Spool(path)
    spool.add(1.0, "a/event", b"1")
    spool.close()
    events = {"max_age_s": 604800, "spool": str(path)}
    assembly = assemble(mqtt={**mqtt, "events": events})
    same = {**events, "spool": str(tmp_path / "." / ".." / tmp_path.name / "events.db")}
    assert assembly.change_to(config(mqtt={**mqtt, "keepalive_s": 5, "events": same})) is True
    with pytest.raises(BrokerError, match="database is locked"):
        Spool(path)
    assert assembly.change_to(config(mqtt=mqtt)) is True
    Spool(path).close()


def test_a_spool_that_another_daemon_holds_is_refused(assemble: Callable[..., Assembly], tmp_path: Path) -> None:
    mqtt = {"host": "127.0.0.1", "port": free_port()}
    others = Spool(tmp_path / "events.db")
    others.add(1.0, "a/event", b"1")
    assembly = assemble(mqtt=mqtt)
    before = assembly.mqtt
    with pytest.raises(BrokerError, match="database is locked"):
        assembly.change_to(config(mqtt={**mqtt, "events": {"spool": str(tmp_path / "events.db")}}))
    assert assembly.mqtt is before
    others.close()


def answer(port: int) -> int:
    """The status of the page's state."""
    return httpx.get(f"http://127.0.0.1:{port}/api/state", trust_env=False).status_code


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - behind a password
def test_a_page_changes_and_keeps_its_port(assemble: Callable[..., Assembly], host: str) -> None:
    web = {"enabled": True, "port": free_port()}
    assembly = assemble(web=web)
    assert answer(web["port"]) == 200
    changed = config(web={**web, "host": host, "password_hash": NO_PASSWORD})
    assert assembly.change_to(changed) is True
    assert answer(web["port"]) == 401
    assert assembly.change_to(config(web=web)) is True
    assert answer(web["port"]) == 200


def test_a_page_takes_the_port_that_was_found_for_it(assemble: Callable[..., Assembly]) -> None:
    assembly = assemble(web={"enabled": True, "port": 0})
    assert assembly.page is not None
    port = assembly.page.port
    assert assembly.change_to(config(web={"enabled": True, "port": port, "pictures": True})) is True
    assert answer(port) == 200


def test_a_page_whose_certificate_is_refused_sends_nobody_away(assemble: Callable[..., Assembly]) -> None:
    web = {"enabled": True, "port": free_port()}
    assembly = assemble(web=web)
    before = assembly.page
    with pytest.raises(PageError, match="cannot be used: No such file or directory"):
        assembly.change_to(config(web={**web, "cert_file": "/no/cert.pem", "key_file": "/no/key.pem"}))
    assert assembly.page is before
    assert answer(web["port"]) == 200


def test_a_page_that_is_refused_brings_the_old_one_back(assemble: Callable[..., Assembly]) -> None:
    web = {"enabled": True, "port": free_port()}
    assembly = assemble(web=web)
    mqtt = {"enabled": True, "host": "127.0.0.1", "port": free_port()}
    elsewhere = {**web, "host": "192.0.2.1", "password_hash": NO_PASSWORD}
    with pytest.raises(PageError, match="cannot listen at port"):
        assembly.change_to(config(web=elsewhere, mqtt=mqtt))
    assert answer(web["port"]) == 200
    assert assembly.config == config(web=web)
    assert assembly.mqtt is None


def test_a_page_that_is_lost_in_a_reload_ends_the_daemon() -> None:
    pages: list[LivePage] = []

    def open_page(settings: Config, control: Control) -> LivePage:
        if pages:
            raise PageError("the live page: its port is taken")
        pages.append(LivePage(settings.web, ask=control.ask))
        return pages[0]

    capture = FakeCapture()
    stage = Stage(capture, settings=config(web={"enabled": True}), open_page=open_page)
    capture.script = [0.0, reload(stage, config(web={"enabled": True, "pictures": True})), None, 0.1]
    with pytest.raises(LostPartError, match=r"and cannot be had again: the live page: its port is taken$"):
        stage.run()
    assert stage.sink.heard[-1] == "closed"


def test_a_page_that_is_not_wanted_any_more_is_closed(assemble: Callable[..., Assembly]) -> None:
    web = {"enabled": True, "port": free_port()}
    assembly = assemble(web=web)
    assert assembly.change_to(config(web={"port": web["port"]})) is True
    assert assembly.page is None
    with pytest.raises(httpx.ConnectError):
        answer(web["port"])
