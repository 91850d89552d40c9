import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from edge_fer.errors import BrokerError
from edge_fer.publish.connection import Connection
from edge_fer.publish.link import Link
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.probe import probe
from edge_fer.publish.transport import Accepted, Closed, Confirmed, Event, Refusal, Refused, Version

AUTO = (Version.V5, Version.V311)


@dataclass
class FakeTransport:
    """Answers the attempts to open it in turn, and confirms every message at once."""

    answers: list[Event | OSError | None]
    sent: list[bytes] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    broken: bool = False
    _events: list[Event] = field(default_factory=list)
    _woken: threading.Event = field(default_factory=threading.Event)

    def open(self, version: Version) -> None:
        answer = self.answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        if answer is not None:
            self._events.append(answer)

    def poll(self) -> list[Event]:
        if self.broken:
            raise LookupError("a bug")
        events, self._events = self._events, []
        return events

    def listen(self, topics: Sequence[str]) -> None: ...

    def send(self, message: Message, expiry_s: int | None) -> int:
        self.sent.append(message.payload)
        self._events.append(Confirmed(len(self.sent)))
        self._woken.set()
        return len(self.sent)

    def is_clogged(self) -> bool:
        return False

    def wait(self, timeout_s: float) -> None:
        self.waits.append(timeout_s)
        self._woken.wait(timeout_s)
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    def disconnect(self) -> None:
        self.ended.append("disconnect")

    def abort(self) -> None:
        self.ended.append("abort")

    def close(self) -> None:
        self.ended.append("close")


def connection_over(transport: FakeTransport) -> Connection:
    outbox = Outbox()
    link = Link(transport, outbox, address="broker:1883", versions=AUTO, keepalive_s=30)
    return Connection(link, transport, outbox)


def test_what_is_posted_is_sent_before_the_farewell() -> None:
    transport = FakeTransport([Accepted()])
    connection = connection_over(transport)
    connection.post(Message("a", b"1", qos=1))
    while not connection.stats.connected:
        connection.check()
    connection.post(Message("b", b"2", qos=1))
    connection.close()
    assert transport.sent == [b"1", b"2"]
    assert transport.ended == ["disconnect", "close"]
    connection.check()


def test_an_unexpected_exception_reaches_who_checks(caplog: pytest.LogCaptureFixture) -> None:
    transport = FakeTransport([Accepted()], broken=True)
    connection = connection_over(transport)
    connection._thread.join(5)
    with pytest.raises(RuntimeError, match="the MQTT thread has ended") as failure:
        connection.check()
    assert repr(failure.value.__cause__) == "LookupError('a bug')"
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    connection.close()


@pytest.mark.parametrize(
    ("answers", "version"),
    [
        ([Accepted()], Version.V5),
        ([Refused(Refusal.PROTOCOL, "Unsupported protocol version"), Accepted()], Version.V311),
        ([Closed("Connection closed"), Accepted()], Version.V311),
        ([None, Accepted()], Version.V311),
    ],
    ids=["5", "refused", "hung up", "silent"],
)
def test_a_probe_finds_the_version_and_takes_leave(answers: list[Event | OSError | None], version: Version) -> None:
    transport = FakeTransport(answers)
    assert probe(transport, AUTO, address="broker:1883", timeout_s=0.05) is version
    assert transport.ended[-1] == "disconnect"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ([ConnectionRefusedError(111, "Connection refused")], "cannot be reached: Connection refused"),
        ([Refused(Refusal.CREDENTIALS, "Not authorized")], "refuses us: Not authorized; look at mqtt.username"),
        ([Refused(Refusal.OTHER, "Server busy")] * 2, "does not let us in: Server busy"),
        ([None, None], r"does not let us in: no answer within 0\.05 s"),
    ],
    ids=["absent", "credentials", "busy", "silent"],
)
def test_a_probe_says_why_it_failed(answers: list[Event | OSError | None], sentence: str) -> None:
    with pytest.raises(BrokerError, match=f"^The MQTT broker broker:1883 {sentence}"):
        probe(FakeTransport(answers), AUTO, address="broker:1883", timeout_s=0.05)
