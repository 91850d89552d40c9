"""When the link tries a broker again, and in which version."""

import logging

import pytest

from edge_fer.publish.transport import Accepted, Closed, Event, Refusal, Refused, Version
from tests.publish.rig import Rig, log_of


@pytest.fixture(autouse=True)
def _listen(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


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
