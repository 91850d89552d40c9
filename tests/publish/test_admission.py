"""Whom a mosquitto lets in and what it lets them say: passwords, certificates, access rules."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_fer.errors import BrokerError
from edge_fer.publish.mqtt import MqttSink, try_broker
from edge_fer.publish.paho import Tls
from edge_fer.records import Reading
from tests.conftest import require
from tests.publish.conftest import wait_until, warnings_in

pytestmark = pytest.mark.real

RIGHT, WRONG = "correct horse", "battery staple"


def test_a_password_is_asked_for_and_given(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run([require("mosquitto_passwd"), "-c", "-b", passwords, "cam", RIGHT], check=True)
    broker = make_mosquitto(f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    assert try_broker(host=broker.host, port=broker.port, username="cam", password=RIGHT) == "5"
    with pytest.raises(BrokerError, match=r"refuses us: Not authorized; look at mqtt\.username and mqtt\.password$"):
        try_broker(host=broker.host, port=broker.port)

    wrong = open_sink(broker, username="cam", password=WRONG, base_topic="wrong")
    wait_until(lambda: bool(warnings_in(caplog)))
    right = open_sink(broker, username="cam", password=RIGHT)
    wait_until(lambda: right.link.connected)
    assert not wrong.link.connected
    assert warnings_in(caplog) == [
        f"The MQTT broker 127.0.0.1:{broker.port} refuses us: Not authorized; look at mqtt.username and mqtt.password"
    ]
    assert WRONG not in caplog.text


@pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_tls_with_an_own_authority_and_client_certificates(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    authority: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = make_mosquitto(
        f"allow_anonymous true\ncafile {authority}/ca.pem\ncertfile {authority}/server.pem\n"
        f"keyfile {authority}/server.key\nrequire_certificate true"
    )
    broker.start()
    ca, certificate, key = authority / "ca.pem", authority / "client.pem", authority / "client.key"
    ours = Tls(ca_file=ca, cert_file=certificate, key_file=key)
    sink = open_sink(broker, tls=ours)
    wait_until(lambda: sink.link.connected)
    subscriber = broker.subscribe("edge-fer/#", "--cafile", ca, "--cert", certificate, "--key", key)
    subscriber.wait_for("kitchen/availability", "online")
    assert warnings_in(caplog) == []

    address = {"host": broker.host, "port": broker.port}
    with pytest.raises(BrokerError, match=r"cannot be reached: .*certificate verify failed"):
        try_broker(**address, tls=Tls(ca_file=authority / "other-ca.pem", cert_file=certificate, key_file=key))
    with pytest.raises(BrokerError, match=r"cannot be reached: .*certificate verify failed: Hostname mismatch"):
        try_broker(host="localhost", port=broker.port, tls=ours)
    with pytest.raises(BrokerError, match=r"(does not let us in|cannot be reached): "):
        try_broker(**address, tls=Tls(ca_file=ca))
    with pytest.raises(BrokerError, match="does not let us in"):
        try_broker(**address)


@pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_an_expired_certificate_is_said_and_everything_waits(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    authority: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign = ["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"]
    (authority / "server.ext").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid")
    valid = (authority / "server.pem").read_bytes()
    expired = [*sign, "-days", "-1", "-extfile", "server.ext", "-out", "server.pem"]
    subprocess.run(expired, cwd=authority, check=True, capture_output=True)
    broker = make_mosquitto(f"allow_anonymous true\ncertfile {authority}/server.pem\nkeyfile {authority}/server.key")
    broker.start()
    sink = open_sink(broker, tls=Tls(ca_file=authority / "ca.pem"))
    sink.publish(0, [make_reading()])
    wait_until(lambda: bool(warnings_in(caplog)))
    [warning] = warnings_in(caplog)
    assert "certificate has expired" in warning
    assert not sink.link.connected
    (authority / "server.pem").write_bytes(valid)
    broker.stop()
    broker.start()
    subscriber = broker.subscribe("edge-fer/#", "--cafile", authority / "ca.pem")
    subscriber.wait_for("kitchen/emotion", timeout_s=20)
    subscriber.wait_for("kitchen/availability", "online")
    assert sink.link.events_lost == 0


def test_access_rules_that_forbid_our_topics_are_said(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic read #\n")
    broker = make_mosquitto(f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    sink = open_sink(broker)
    sink.publish(0, [make_reading()])
    wait_until(lambda: bool(warnings_in(caplog)))
    assert warnings_in(caplog) == [
        f"The MQTT broker 127.0.0.1:{broker.port} does not take our messages: Not authorized; look at its access rules"
    ]
    assert sink.link.connected
    wait_until(lambda: sink.link.events_lost == 1)  # that the face appeared: nobody was told, and health says so
    rules.write_text("topic readwrite #\n")
    broker.stop()
    broker.start()
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/emotion")  # what was refused once is told again on another connection
    subscriber.wait_for("kitchen/availability", "online")
    sink.publish(1, [])
    assert subscriber.wait_for("kitchen/event").json["seq"] == 2
    assert sink.link.events_lost == 1
