import logging

import pytest

from edge_fer.publish.outbox import Message
from edge_fer.publish.transport import Accepted, Closed, Confirmed, Deaf, Received, Version
from tests.publish.rig import Rig, event, log_of


@pytest.fixture(autouse=True)
def _listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_what_waited_goes_out_once_the_broker_lets_us_in() -> None:
    rig = Rig()
    rig.outbox.put(event("1"), 0)
    assert rig.link.advance(0) == 0
    assert rig.transport.opened == [Version.V5]
    rig.link.advance(0.1)
    assert rig.transport.sent == []
    rig.hear(0.2, Accepted())
    assert rig.transport.payloads == ["1"]
    assert rig.link.stats.protocol == "5"


def test_commands_are_heard_on_every_connection_and_what_nobody_asked_for_is_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Received] = []
    rig = Rig(hear={"a/command": heard.append, "a/+/c": heard.append})
    rig.connect()
    assert rig.transport.listening == ("a/command", "a/+/c")
    asked = [Received("a/command", b"pause"), Received("a/b/c", b"")]
    rig.hear(1, *asked, Received("b/command", b"resume"), Received("a/b", b""), Received("a/b/c/d", b""))
    assert heard == asked
    rig.hear(20, Closed("gone"))
    rig.connect(25)
    assert rig.transport.listened == 2
    caplog.clear()
    rig.hear(26, Deaf("Not authorized"), Deaf("Not authorized"))
    assert log_of(caplog) == [
        (
            "warning",
            "The MQTT broker broker:1883 does not let us hear commands: Not authorized; look at its access rules",
        )
    ]


def test_expiry_counts_from_when_the_message_was_made() -> None:
    rig = Rig()
    rig.outbox.put(Message("emotion", b"happy", qos=1, retain=True, ttl_s=30), 0)
    rig.connect(12.5)
    assert rig.transport.sent == [("happy", 18)]


def test_state_is_told_again_after_a_reconnection_and_the_unconfirmed_too() -> None:
    rig = Rig()
    rig.outbox.put(Message("availability", b"online", qos=1, retain=True), 0)
    rig.outbox.put(event("1"), 0)
    rig.outbox.put(event("2"), 0)
    rig.connect()
    rig.hear(1, Confirmed(1), Confirmed(2), Closed("Connection closed"))
    rig.outbox.put(event("3"), 2)
    rig.connect(3)
    assert rig.transport.payloads == ["online", "1", "2", "online", "2", "3"]


def test_few_messages_are_unconfirmed_at_a_time() -> None:
    rig = Rig()
    rig.connect()
    for name in range(15):
        rig.outbox.put(event(str(name)), 1)
    rig.link.advance(1)
    assert len(rig.transport.sent) == 10
    rig.hear(1.1, Confirmed(1), Confirmed(2))
    assert len(rig.transport.sent) == 12
    assert rig.link.stats.queued == 3


def test_nothing_is_sent_behind_a_clogged_socket() -> None:
    rig = Rig()
    rig.connect()
    rig.transport.clogged = True
    rig.outbox.put(event("1"), 1)
    rig.link.advance(1)
    assert rig.transport.sent == []
    rig.transport.clogged = False
    rig.link.advance(2)
    assert rig.transport.payloads == ["1"]


def test_a_broker_that_confirms_nothing_gets_nothing_more_and_is_left_in_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig(keepalive_s=30)
    rig.connect()
    rig.outbox.put(event("1"), 1)
    rig.link.advance(1)
    rig.outbox.put(Message("faces/1", b"stale", ttl_s=2), 3.5)
    rig.link.advance(3.5)
    assert rig.transport.payloads == ["1"]
    rig.link.advance(30.9)
    assert rig.link.stats.connected
    rig.link.advance(31)
    assert not rig.link.stats.connected
    assert rig.transport.ended == ["abort"]
    assert log_of(caplog)[-1] == ("warning", "The MQTT broker broker:1883 is lost: it does not answer")
    rig.connect(40)
    assert rig.transport.payloads == ["1", "1"]
    assert rig.link.stats.lost == 1


def test_a_thawed_broker_gets_what_is_current() -> None:
    rig = Rig()
    rig.connect()
    rig.outbox.put(event("1"), 1)
    rig.link.advance(1)
    rig.outbox.put(Message("emotion", b"old", qos=1, retain=True), 4)
    rig.outbox.put(Message("emotion", b"new", qos=1, retain=True), 8)
    rig.link.advance(8)
    rig.hear(9, Confirmed(1))
    assert rig.transport.payloads == ["1", "new"]


def test_a_topic_that_the_broker_refuses_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.connect()
    for name in ("1", "2"):
        rig.outbox.put(event(name), 1)
    rig.link.advance(1)
    rig.hear(2, Confirmed(1, "Not authorized"), Confirmed(2, "Not authorized"))
    assert [message for level, message in log_of(caplog) if level == "warning"] == [
        "The MQTT broker broker:1883 does not take our messages: Not authorized; look at its access rules"
    ]


def test_leaving_sends_what_waits_and_takes_leave() -> None:
    rig = Rig()
    rig.connect()
    rig.outbox.put(event("offline"), 1)
    rig.link.leave(1)
    assert rig.link.advance(1) == 0.5
    assert not rig.link.has_left
    rig.hear(1.1, Confirmed(1))
    assert rig.link.has_left
    assert rig.transport.ended == ["disconnect"]


def test_leaving_a_hanging_broker_takes_half_a_second_and_leaves_it_the_last_will() -> None:
    rig = Rig()
    rig.connect()
    rig.outbox.put(event("offline"), 1)
    rig.link.leave(1)
    rig.link.advance(1)
    rig.link.advance(1.5)
    assert rig.link.has_left
    assert rig.transport.ended == ["abort"]


@pytest.mark.parametrize("asking", [False, True])
def test_leaving_without_a_connection_is_immediate(asking: bool) -> None:
    rig = Rig()
    rig.transport.error = None if asking else OSError("no route")
    rig.link.advance(0)
    rig.link.leave(10)
    rig.link.advance(10)
    assert rig.link.has_left
    assert len(rig.transport.opened) == int(asking)
