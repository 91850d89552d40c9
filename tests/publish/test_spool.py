import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_fer.errors import BrokerError
from edge_fer.publish.mqtt import connect
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.spool import Spool, Spooled


def event(name: str, ttl_s: float | None = None) -> Message:
    return Message("a/event", name.encode(), qos=1, latest=False, vital=True, ttl_s=ttl_s)


def waiting(path: Path) -> list[bytes]:
    spool = Spool(path)
    try:
        return [left.payload for left in spool.waiting()]
    finally:
        spool.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


def test_what_was_added_and_not_removed_is_there_again(path: Path) -> None:
    spool = Spool(path)
    first, second = spool.add(100.5, "a/event", b"1"), spool.add(101.5, "a/event", b"2")
    assert first is not None
    spool.remove(first)
    spool.close()
    again = Spool(path)
    assert again.waiting() == [Spooled(second or 0, 101.5, "a/event", b"2")]
    again.close()


def test_a_file_that_cannot_be_used_or_belongs_to_another_daemon_is_named(path: Path) -> None:
    with pytest.raises(BrokerError, match=r"^mqtt\.events\.spool: .*/no/x cannot be used \(unable to open"):
        Spool(path.parent / "no" / "x")
    path.write_bytes(b"no database, but a text of some length" * 100)
    with pytest.raises(BrokerError, match="file is not a database"):
        Spool(path)
    path.unlink()
    ours = Spool(path)
    ours.add(1.0, "a/event", b"1")
    with pytest.raises(BrokerError, match="database is locked"):
        Spool(path)
    ours.close()


def _zeroed(content: bytes) -> bytes:
    return bytes(len(content))


def _scrambled(content: bytes) -> bytes:
    return content[:4096] + bytes(byte ^ 0x5A for byte in content[4096:])


def _cut_off(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


@pytest.mark.parametrize("damage", [_zeroed, _scrambled, _cut_off])
def test_a_damaged_file_is_set_aside_with_a_sentence_and_events_are_written_down_anew(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(path)
    for number in range(60):
        spool.add(1.0, "a/event", b"%d" % number * 500)
    spool.close()
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    again = Spool(path)
    [record] = caplog.records
    assert (record.levelname, record.getMessage().partition(" (")[0]) == ("ERROR", f"The spool {path} is damaged")
    assert record.getMessage().endswith("): set aside as events.db.damaged, its events are lost to us")
    assert path.with_name("events.db.damaged").read_bytes() == damaged
    assert again.waiting() == []
    again.add(2.0, "a/event", b"new")
    again.close()
    assert waiting(path) == [b"new"]


def test_a_log_that_is_damaged_costs_what_stood_behind_the_damage(path: Path, tmp_path: Path) -> None:
    spool = Spool(path)
    for number in range(50):
        spool.add(1.0, "a/event", b"%d" % number)
    copy = tmp_path / "copy"
    copy.mkdir()
    log = bytearray(path.with_name("events.db-wal").read_bytes())
    log[len(log) // 2] ^= 0xFF
    (copy / "events.db").write_bytes(path.read_bytes())
    (copy / "events.db-wal").write_bytes(log)
    spool.close()
    left = waiting(copy / "events.db")
    assert 20 <= len(left) < 30
    assert left == [b"%d" % number for number in range(len(left))]


def test_a_disk_that_fails_stops_nothing_and_is_told_once(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = Spool(path)
    spool.close()
    outbox = Outbox(spool=spool)
    with caplog.at_level(logging.WARNING):
        outbox.put(event("1"), 0)
        outbox.put(event("2"), 0)
    assert len(caplog.records) == 1
    taken = outbox.take(0)
    assert taken is not None
    outbox.settle(taken)
    assert taken.message.payload == b"1"


def test_events_leave_the_disk_when_they_arrived_or_were_given_up_and_not_before(path: Path) -> None:
    spool = Spool(path)
    outbox = Outbox(capacity=2, spool=spool)
    for name in ("1", "2", "3"):
        outbox.put(event(name), 0)  # the first is too much
    outbox.put(Message("a/emotion", b"happy", qos=1, retain=True), 0)
    taken = [one for _ in range(3) if (one := outbox.take(0)) is not None]
    assert [one.message.payload for one in taken] == [b"happy", b"2", b"3"]
    outbox.settle(taken[0])
    outbox.settle(taken[1])
    spool.close()
    assert waiting(path) == [b"3"]


def test_an_earlier_runs_events_come_first_and_keep_their_age(path: Path) -> None:
    spool = Spool(path)
    before = Outbox(spool=spool, wall_clock=lambda: 1000.0)
    before.put(event("old", ttl_s=60), 5.0)
    spool.close()
    spool = Spool(path)
    before = Outbox(spool=spool, wall_clock=lambda: 1040.0)
    before.put(event("young", ttl_s=60), 5.0)
    spool.close()
    spool = Spool(path)
    after = Outbox(spool=spool, wall_clock=lambda: 1070.0)
    after.restore(3.0, ttl_s=60)
    after.put(event("new", ttl_s=60), 3.0)
    taken = [one for _ in range(3) if (one := after.take(3.0)) is not None]
    assert [(one.message.payload, one.remaining_s(3.0)) for one in taken] == [(b"young", 30.0), (b"new", 60.0)]
    assert (after.lost, after.lost_vital) == (1, 1)
    spool.close()
    assert waiting(path) == [b"young", b"new"]


DAEMON = """
import sys, time
from pathlib import Path
from edge_fer.publish.mqtt import connect
from edge_fer.records import LABELS, Reading
sink = connect(device="kitchen", host="127.0.0.1", port=int(sys.argv[1]), rate_hz=1, event_spool=Path(sys.argv[2]))
for number in range(200):
    label = LABELS[number % 2]
    scores = {name: float(name == label) for name in LABELS}
    sink.publish(float(number), [Reading(0.0, 1, label, 1.0, scores, (0.1, 0.1, 0.1, 0.1), 0.0)])
print("told", flush=True)
time.sleep(60)
"""


@pytest.mark.real
def test_no_event_is_lost_by_kill_9_while_the_broker_is_away(
    make_mosquitto: Callable[[str], Any], path: Path, tmp_path: Path
) -> None:
    broker = make_mosquitto(f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/")
    broker.start()
    consumer = broker.subscribe("edge-fer/kitchen/#", "-c", "-i", "consumer", "-V", "311")
    witness = connect(device="kitchen", base_topic="edge-fer/kitchen", host=broker.host, port=broker.port)
    consumer.wait_for("kitchen/kitchen/availability", "online")  # so it is subscribed
    witness.close()
    broker.stop()
    for _ in range(2):
        daemon = subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(broker.port), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "told\n"
        daemon.kill()
        daemon.communicate()
    broker.start()
    sink = connect(device="kitchen", host=broker.host, port=broker.port, event_spool=path)
    try:
        consumer.wait_for("edge-fer/kitchen/event", count=400, timeout_s=30)
        deadline_s = time.monotonic() + 5
        while sink.link.queued and time.monotonic() < deadline_s:
            time.sleep(0.02)
    finally:
        sink.close()
    numbers: dict[str, list[int]] = {}
    for message in consumer.on("edge-fer/kitchen/event"):
        numbers.setdefault(message.json["run"], []).append(message.json["seq"])
    assert [list(dict.fromkeys(seen)) for seen in numbers.values()] == [list(range(1, 201))] * 2
    assert waiting(path) == []
