import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from edge_fer.publish.link import Link
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.transport import Accepted, Closed, Confirmed, Deaf, Event, Received, Refusal, Refused, Version

AUTO = (Version.V5, Version.V311)
LEVELS = {logging.INFO: "info", logging.WARNING: "warning"}


@dataclass
class FakeTransport:
    """A broker that does what the test says."""

    error: OSError | None = None
    clogged: bool = False
    opened: list[Version] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sent: list[tuple[str, int | None]] = field(default_factory=list)
    qos: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    listening: tuple[str, ...] = ()
    listened: int = 0

    def open(self, version: Version) -> None:
        if self.error is not None:
            raise self.error
        self.opened.append(version)

    def poll(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def listen(self, topics: Sequence[str]) -> None:
        self.listening = tuple(topics)
        self.listened += 1

    def send(self, message: Message, expiry_s: int | None) -> int:
        self.sent.append((message.payload.decode(), expiry_s))
        self.qos.append(message.qos)
        return len(self.sent)

    def is_clogged(self) -> bool:
        return self.clogged

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("the link itself never waits")

    def wake(self) -> None: ...

    def disconnect(self) -> None:
        self.ended.append("disconnect")

    def abort(self) -> None:
        self.ended.append("abort")

    def close(self) -> None: ...

    @property
    def payloads(self) -> list[str]:
        return [payload for payload, _ in self.sent]


class Rig:
    """A link on a fake broker, with no jitter."""

    def __init__(
        self,
        versions: tuple[Version, ...] = AUTO,
        keepalive_s: float = 30,
        hear: Mapping[str, Callable[[Received], None]] | None = None,
    ) -> None:
        self.transport = FakeTransport()
        self.outbox = Outbox()
        self.link = Link(
            self.transport,
            self.outbox,
            address="broker:1883",
            versions=versions,
            keepalive_s=keepalive_s,
            hear=hear,
            uniform=lambda: 0.0,
        )

    def hear(self, now_s: float, *events: Event) -> float:
        """Let the broker say something at that time."""
        self.transport.events += events
        return self.link.advance(now_s)

    def connect(self, now_s: float = 0.0) -> None:
        self.link.advance(now_s)
        self.hear(now_s, Accepted())
        assert self.link.stats.connected


def event(name: str) -> Message:
    return Message("event", name.encode(), qos=1, latest=False)


def log_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(LEVELS[record.levelno], record.getMessage()) for record in caplog.records]


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


def test_expiry_counts_from_when_the_message_was_made() -> None:
    rig = Rig()
    rig.outbox.put(Message("emotion", b"happy", qos=1, retain=True, ttl_s=30), 0)
    rig.connect(12.5)
    assert rig.transport.sent == [("happy", 18)]


def test_an_absent_broker_is_tried_again_with_growing_pauses_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.transport.error = ConnectionRefusedError(111, "Connection refused")
    now_s, pauses = 0.0, []
    for _ in range(8):
        rig.link.advance(now_s)
        pauses.append(rig.link.advance(now_s))
        now_s += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert log_of(caplog) == [("warning", "The MQTT broker broker:1883 cannot be reached: Connection refused")]
    rig.transport.error = None
    rig.connect(now_s)
    assert log_of(caplog)[1:] == [("info", "Connected to the MQTT broker broker:1883 after 121.0 s, MQTT 5")]
    assert rig.link.stats.reconnects == 0


def test_jitter_takes_up_to_half_of_the_pause() -> None:
    rig = Rig()
    rig.link._uniform = lambda: 0.999
    rig.transport.error = TimeoutError("timed out")
    rig.link.advance(0)
    assert rig.link.advance(0) == pytest.approx(0.5, abs=0.001)


def test_a_lost_connection_is_told_once_and_its_return_with_the_outage(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.connect()
    rig.hear(100, Closed("Connection closed"))
    rig.transport.error = ConnectionRefusedError(111, "Connection refused")
    rig.link.advance(101)
    rig.link.advance(103)
    rig.transport.error = None
    rig.link.advance(107)
    rig.hear(107.5, Accepted())
    assert log_of(caplog) == [
        ("info", "Connected to the MQTT broker broker:1883, MQTT 5"),
        ("warning", "The MQTT broker broker:1883 is lost: Connection closed"),
        ("warning", "The MQTT broker broker:1883 cannot be reached: Connection refused"),
        ("info", "Back at the MQTT broker broker:1883 after 7.5 s, MQTT 5"),
    ]
    assert rig.link.stats.reconnects == 1


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


@pytest.mark.parametrize(
    "answer",
    [Refused(Refusal.PROTOCOL, "Unsupported protocol version"), Closed("Connection closed"), None],
    ids=["refused", "hung up", "silent"],
)
def test_an_old_broker_is_asked_in_its_version_at_once(answer: Event | None, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.link.advance(0)
    if answer is None:
        rig.link.advance(0)
        assert rig.link.advance(3.9) == pytest.approx(0.1)
        now_s = 4.0
        rig.link.advance(now_s)
    else:
        now_s = 0.1
        rig.hear(now_s, answer)
    rig.connect(now_s)
    assert rig.transport.opened == [Version.V5, Version.V311]
    assert rig.link.stats.protocol == "3.1.1"
    assert log_of(caplog) == [("info", "Connected to the MQTT broker broker:1883, MQTT 3.1.1")]


def test_a_broker_that_refuses_every_version_is_left_in_peace_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    refusal = Refused(Refusal.PROTOCOL, "Unsupported protocol version")
    rig.link.advance(0)
    rig.hear(0, refusal)
    rig.link.advance(0)
    assert rig.hear(0, refusal, Closed("Connection closed")) == 1
    assert log_of(caplog) == [
        ("warning", "The MQTT broker broker:1883 does not let us in: Unsupported protocol version")
    ]


def test_a_restarting_broker_does_not_lose_its_version() -> None:
    rig = Rig()
    rig.connect()
    rig.hear(50, Closed("Connection closed"))
    rig.link.advance(51)
    rig.hear(51.1, Closed("Connection closed"))
    rig.connect(60)
    assert rig.transport.opened == [Version.V5] * 3


def test_the_better_version_is_tried_again_after_a_loss() -> None:
    rig = Rig()
    rig.link.advance(0)
    rig.hear(0, Refused(Refusal.PROTOCOL, "Unsupported protocol version"))
    rig.connect(0)
    rig.hear(50, Closed("Connection closed"))
    rig.connect(60)
    assert rig.transport.opened == [Version.V5, Version.V311, Version.V5]
    assert rig.link.stats.protocol == "5"


def test_refused_credentials_are_told_once_and_tried_slowly(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    now_s = 0.0
    for _ in range(3):
        rig.link.advance(now_s)
        pause_s = rig.hear(now_s, Refused(Refusal.CREDENTIALS, "Not authorized"), Closed("Connection closed"))
        assert pause_s == 60
        now_s += pause_s
    assert rig.transport.opened == [Version.V5] * 3
    assert log_of(caplog) == [
        (
            "warning",
            "The MQTT broker broker:1883 refuses us: Not authorized; look at mqtt.username and mqtt.password",
        )
    ]


def test_another_client_with_our_id_is_named_and_does_not_make_us_race_it(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    now_s, pauses = 0.0, []
    for _ in range(3):
        rig.connect(now_s)
        pauses.append(rig.hear(now_s + 1, Closed("Session taken over", taken_over=True)))
        now_s += 1 + pauses[-1]
    assert pauses == [1, 2, 4]
    assert "does another daemon have the same device name?" in caplog.text


def test_a_connection_that_never_lasts_hints_at_another_client(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    now_s = 0.0
    for lasts_s in (5, 60, 5, 5, 5):
        rig.connect(now_s)
        rig.hear(now_s + lasts_s, Closed("Connection closed"))
        now_s += 200
    assert [message.partition("; ")[2] for level, message in log_of(caplog) if level == "warning"] == [
        "", "", "", "", "does another daemon have the same device name?",
    ]  # fmt: skip


def test_a_steady_connection_starts_the_back_off_anew() -> None:
    rig = Rig()
    rig.transport.error = OSError("no route")
    rig.link.advance(0)
    rig.link.advance(1)
    rig.transport.error = None
    rig.connect(5)
    assert rig.hear(16, Closed("Connection closed")) == 1


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
