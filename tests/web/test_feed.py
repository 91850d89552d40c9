import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edge_fer.records import LABELS, Frame, Reading
from edge_fer.web import Status, Totals
from edge_fer.web.feed import HEARTBEAT_S, Feed
from tests.clocks import Clock

STATUS = Status(
    device="kitchen",
    fps=24.96,
    latency_ms={"detect": 9.512, "classify": 2.0},
    camera="pattern",
    camera_online=True,
    camera_error=None,
    paused=False,
    broker="localhost:1883",
    broker_online=None,
    model="emotion",
    detector="haar",
    temperature_c=51.5,
    totals=Totals(),
)


class Encoder:
    """Stands for JPEG: the frame's index as text, and what was encoded so far."""

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def __call__(self, frame: Frame) -> bytes:
        self.encoded.append(frame.index)
        return f"picture {frame.index}".encode()


def frame(index: int) -> Frame:
    return Frame(np.zeros((48, 64), np.uint8), time_s=index / 30, index=index)


def reading(track: int = 3) -> Reading:
    scores = dict.fromkeys(LABELS, 0.02) | {"happy": 0.88}
    return Reading(1.0, track, "happy", 0.88, scores, (0.123456, 0.25, 0.5, 0.5), 2.44)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def encoder() -> Encoder:
    return Encoder()


@pytest.fixture
def feed(clock: Clock, encoder: Encoder) -> Feed:
    return Feed(encode=encoder, clock=clock)


def test_before_the_first_word_there_is_nothing(feed: Feed) -> None:
    state = feed.state()
    assert len(state.pop("run")) == 8
    assert state == {"pictures": True, "seq": 0, "age_s": None, "size": None, "faces": [], "status": None}
    assert feed.jpeg() is None
    assert feed.silent_s() is None


def test_the_state_is_what_was_put(feed: Feed, clock: Clock) -> None:
    feed.put(frame(7), [reading()], STATUS)
    clock.now_s += 0.25
    state = feed.state()
    del state["run"]
    assert state == {
        "pictures": True,
        "seq": 1,
        "age_s": 0.25,
        "size": [64, 48],
        "faces": [
            {
                "track": 3,
                "emotion": "happy",
                "confidence": 0.88,
                "scores": dict.fromkeys(LABELS, 0.02) | {"happy": 0.88},
                "box": [0.1235, 0.25, 0.5, 0.5],
                "for_s": 2.4,
            }
        ],
        "status": {
            "device": "kitchen",
            "fps": 25.0,
            "latency_ms": {"detect": 9.51, "classify": 2.0},
            "paused": False,
            "camera": {"name": "pattern", "online": True, "error": None},
            "broker": {"name": "localhost:1883", "online": None},
            "model": "emotion",
            "detector": "haar",
            "temperature_c": 51.5,
        },
    }
    assert list(state["faces"][0]["scores"]) == list(LABELS)


def test_the_mailbox_holds_only_the_newest(feed: Feed, encoder: Encoder) -> None:
    for index in range(100):
        feed.put(frame(index), [], STATUS)
    assert feed.jpeg() == (1, b"picture 99")
    assert encoder.encoded == [99]


def test_readings_are_kept_as_they_were_when_put(feed: Feed) -> None:
    readings = [reading(1)]
    feed.put(frame(0), readings, STATUS)
    readings.clear()
    assert [face["track"] for face in feed.state()["faces"]] == [1]


def test_a_view_lasts_a_tenth_of_a_second(feed: Feed, clock: Clock, encoder: Encoder) -> None:
    seen = []
    for index in range(60):  # two seconds of a camera with 30 frames a second, looked at after every frame
        feed.put(frame(index), [], STATUS)
        picture = feed.jpeg()
        assert picture is not None
        seen.append(picture)
        clock.now_s += 1 / 30
    assert len(set(seen)) == len(encoder.encoded) <= 20
    assert len(encoder.encoded) >= 18
    assert [seq for seq, _ in dict.fromkeys(seen)] == list(range(1, len(encoder.encoded) + 1))


def test_nothing_is_encoded_for_the_state(feed: Feed, clock: Clock, encoder: Encoder) -> None:
    for index in range(10):
        feed.put(frame(index), [reading()], STATUS)
        feed.state()
        clock.now_s += 1
    assert encoder.encoded == []


def test_without_a_frame_the_last_picture_stays_and_ages(feed: Feed, clock: Clock, encoder: Encoder) -> None:
    feed.put(frame(4), [reading()], STATUS)
    assert feed.jpeg() == (1, b"picture 4")
    for _ in range(5):
        clock.now_s += 1
        feed.put(None, [], STATUS)
        picture = feed.jpeg()
    state = feed.state()
    assert (state["age_s"], state["faces"], state["size"]) == (5.0, [], [64, 48])
    assert picture == (state["seq"], b"picture 4")
    assert encoder.encoded == [4]
    assert feed.silent_s() == 0.0


def test_a_pause_forgets_the_picture(feed: Feed) -> None:
    feed.put(frame(4), [reading()], STATUS)
    feed.put(None, [], replace(STATUS, camera_online=False, paused=True))
    state = feed.state()
    assert (state["age_s"], state["size"], state["status"]["paused"]) == (None, None, True)
    assert feed.jpeg() is None
    feed.put(None, [], STATUS)
    assert feed.jpeg() is None


def test_a_status_without_any_picture_yet(feed: Feed) -> None:
    feed.put(None, [], STATUS)
    state = feed.state()
    assert (state["seq"], state["age_s"], state["size"], state["status"]["device"]) == (1, None, None, "kitchen")
    assert feed.jpeg() is None


def test_the_states_end_with_the_page(clock: Clock, encoder: Encoder) -> None:
    async def look() -> int:
        feed = Feed(encode=encoder, clock=asyncio.get_running_loop().time)
        feed.put(frame(0), [], STATUS)
        seen = 0
        async for _ in feed.states():
            seen += 1
            feed.end()
        return seen

    assert asyncio.run(look()) == 1


def test_two_feeds_are_told_apart(encoder: Encoder, clock: Clock) -> None:
    assert Feed(encode=encoder, clock=clock).state()["run"] != Feed(encode=encoder, clock=clock).state()["run"]


def test_states_come_at_once_then_with_news_and_with_the_heartbeat(clock: Clock, encoder: Encoder) -> None:
    async def look() -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        feed = Feed(encode=encoder, clock=loop.time)
        feed.put(frame(0), [], STATUS)
        states = feed.states()
        seen = [await anext(states)]
        feed.put(frame(1), [], STATUS)
        seen.append(await anext(states))
        quiet_s = loop.time()
        seen.append(await anext(states))
        assert loop.time() - quiet_s >= HEARTBEAT_S - 0.2
        await states.aclose()
        return seen

    seen = asyncio.run(look())
    assert [state["seq"] for state in seen] == [1, 2, 2]
    assert seen[2]["age_s"] > seen[1]["age_s"]
    assert encoder.encoded == []
