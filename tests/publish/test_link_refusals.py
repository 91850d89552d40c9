"""What the link does about a broker that cannot bear a message."""

import logging

import pytest

from edge_fer.publish.outbox import Message
from edge_fer.publish.transport import Accepted, Closed, Confirmed
from tests.publish.rig import Rig, event, log_of


@pytest.fixture(autouse=True)
def _listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_message_that_the_broker_cannot_bear_is_dropped_and_the_others_go_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rig = Rig()
    for name in ("1", "two", "3"):
        rig.outbox.put(event(name), 0)
    rig.connect()
    caplog.clear()
    rig.hear(1, Closed("Packet too large", rejected=True))
    rig.connect(5)
    assert rig.transport.payloads == ["1", "two", "3", "1", "3"]
    assert (rig.link.stats.lost, log_of(caplog)[0]) == (
        1, ("warning", "The MQTT broker broker:1883 does not bear 3 bytes on event: they are dropped"),
    )  # fmt: skip
    rig.hear(6, Confirmed(4), Confirmed(5))
    rig.hear(7, Closed("Protocol error", rejected=True))
    assert rig.link.stats.lost == 1


def large(topic: str, name: str, *, state: bool = False) -> Message:
    return Message(topic, name.ljust(300).encode(), qos=1, latest=state, retain=state)


def sent_names(rig: Rig) -> list[str]:
    return [payload.strip() for payload in rig.transport.payloads]


def test_what_a_broker_hangs_up_on_twice_is_found_one_by_one_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    for name in ("1", "two", "3"):
        rig.outbox.put(large("event", name), 0)
    rig.connect()
    assert sent_names(rig) == ["1", "two", "3"]
    rig.hear(1, Closed("Connection closed"))  # it had the first one, but we were not told
    rig.connect(5)
    assert sent_names(rig)[3:] == ["1"]
    rig.hear(5.1, Confirmed(4))
    assert sent_names(rig)[4:] == ["two"]
    rig.hear(5.2, Closed("Connection closed"))
    rig.connect(10)
    assert sent_names(rig)[5:] == ["two"]
    assert rig.link.stats.lost == 0
    rig.hear(10.1, Closed("Connection closed"))
    assert rig.link.stats.lost == 1
    assert log_of(caplog)[-2:] == [
        ("warning", "The MQTT broker broker:1883 does not bear 300 bytes on event: they are dropped"),
        (
            "warning",
            "The MQTT broker broker:1883 is lost: Connection closed; does another daemon have the same device name?",
        ),
    ]
    rig.connect(20)
    assert sent_names(rig)[6:] == []  # as large as what was dropped
    assert rig.link.stats.lost == 2


def test_a_state_is_blamed_whatever_its_value_and_larger_ones_are_not_tried_until_the_broker_changes() -> None:
    rig = Rig()
    rig.outbox.put(large("info", "a", state=True), 0)
    rig.connect()
    rig.hear(1, Closed("Connection closed"))
    rig.outbox.put(large("info", "b", state=True), 2)
    rig.connect(5)
    rig.hear(6, Closed("Connection closed"))
    assert (sent_names(rig), rig.link.stats.lost) == (["a", "b"], 1)
    rig.connect(10)
    rig.outbox.put(large("info", "c", state=True), 11)
    rig.link.advance(11)
    assert (sent_names(rig), rig.link.stats.lost) == (["a", "b"], 2)
    rig.hear(30, Closed("Connection closed"))
    rig.connect(40)
    rig.outbox.put(large("info", "d", state=True), 41)
    rig.link.advance(41)
    assert sent_names(rig) == ["a", "b", "d"]


def test_a_message_without_confirmation_that_is_hung_up_on_is_asked_to_be_confirmed_and_then_dropped() -> None:
    rig = Rig()
    health = Message("health", b"h" * 400, ttl_s=60)
    rig.connect()
    for start_s in (30, 90):  # held for long each time, as with a health message now and then
        rig.outbox.put(health, start_s)
        rig.link.advance(start_s)
        rig.hear(start_s + 0.1, Closed("Connection closed"))
        rig.connect(start_s + 30)
    assert (rig.transport.qos, rig.link.stats.lost) == ([0, 1, 1], 0)
    rig.hear(120.1, Closed("Connection closed"))
    assert rig.link.stats.lost == 1
    rig.connect(150)
    for size in (400, 390, 201, 200):
        rig.outbox.put(Message("health", b"h" * size, ttl_s=60), 170)
        rig.link.advance(170)
    assert [len(payload) for payload in rig.transport.payloads] == [400] * 3, "nothing near that size costs another"
    rig.outbox.put(Message("health", b"h" * 199, ttl_s=60), 170)
    rig.link.advance(170)
    assert rig.transport.qos[3:] == [1]
    rig.hear(170.1, Confirmed(4))
    rig.outbox.put(Message("health", b"h" * 198, ttl_s=60), 171)
    rig.link.advance(171)
    assert rig.transport.qos[4:] == [0], "one as large was confirmed"


def test_a_broker_that_goes_without_regard_to_what_was_sent_makes_nobody_wary() -> None:
    rig = Rig()
    rig.connect()
    rig.outbox.put(Message("health", b"h" * 400), 20)
    rig.link.advance(20)
    rig.hear(30, Closed("Connection closed"))
    rig.connect(60)
    rig.outbox.put(Message("health", b"h" * 400), 60)
    rig.link.advance(60)
    rig.hear(60.1, Closed("Session taken over", taken_over=True))
    rig.connect(90)
    rig.outbox.put(Message("health", b"h" * 400), 90)
    rig.link.advance(90)
    assert rig.transport.qos == [0, 0, 0]


def test_other_losses_blame_no_message() -> None:
    rig = Rig()
    rig.outbox.put(large("event", "1"), 0)
    for start_s in (0, 10, 30, 60):
        rig.connect(start_s)
        rig.hear(start_s + 1, Closed("Session taken over", taken_over=True))
    for start_s in (100, 200, 300, 400):  # each held for long
        rig.connect(start_s)
        rig.hear(start_s + 20, Closed("Connection closed"))
    assert rig.link.stats.lost == 0
    rig.connect(500)
    rig.hear(500, Confirmed(len(rig.transport.sent)))
    rig.outbox.put(event("small"), 501)
    for start_s in (501, 600, 700, 800):
        rig.hear(start_s, Closed("Connection closed"))
        rig.connect(start_s + 60)
    assert rig.link.stats.lost == 0
    assert sent_names(rig)[-4:] == ["small"] * 4


def test_what_is_larger_than_the_broker_says_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.link.advance(0)
    rig.hear(0, Accepted(largest_packet_bytes=300 + len("event") + 21))
    rig.outbox.put(large("event", "fits"), 1)
    for second in (1, 2):
        rig.outbox.put(large("events", "not"), second)
        rig.link.advance(second)
    assert sent_names(rig) == ["fits"]
    assert rig.link.stats.lost == 2
    warning = ("warning", "The MQTT broker broker:1883 does not bear 300 bytes on events: they are dropped")
    assert log_of(caplog)[1:] == [warning]


def test_a_message_that_was_answered_as_too_large_is_lost_and_not_told_again() -> None:
    rig = Rig()
    rig.outbox.put(large("info", "a", state=True), 0)
    rig.connect()
    rig.hear(1, Confirmed(1, "Packet too large", rejected=True))
    rig.hear(2, Closed("gone"))
    rig.connect(20)
    assert sent_names(rig) == ["a"]
    assert rig.link.stats.lost == 1
