import json
from typing import Any

import pytest

from edge_fer.house import MOST_DEVICES, House
from edge_fer.publish.transport import Received


@pytest.fixture
def house() -> House:
    return House("edge-fer")


def tell(house: House, topic: str, payload: Any, now_s: float = 0.0, *, retained: bool = False) -> None:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    house.hear(Received(f"edge-fer/{topic}", raw, retained=retained), now_s)


def test_a_device_is_pieced_together_from_its_topics(house: House) -> None:
    tell(house, "kitchen/availability", b"online", retained=True)
    tell(house, "kitchen/camera/availability", b"online", retained=True)
    tell(house, "kitchen/running", b"on", retained=True)
    tell(house, "kitchen/health", {"fps": 14.9}, 1.0)
    for index in range(30):
        tell(house, "kitchen/faces/3", {"emotion": "happy", "confidence": index / 30}, 2.0)
    tell(house, "hall/availability", b"offline")
    assert list(house.devices(3.0)) == ["hall", "kitchen"]
    kitchen = house.devices(3.0)["kitchen"]
    assert (kitchen.state, kitchen.fps, kitchen.heard_s) == ("online", 14.9, 2.0)
    assert (kitchen.faces[3].emotion, kitchen.faces[3].confidence, len(kitchen.faces[3].history)) == (
        "happy",
        29 / 30,
        20,
    )
    assert house.devices(7.5)["kitchen"].faces == {}  # nothing was heard of it for five seconds
    assert house.devices(3.0)["hall"].state == "offline"


@pytest.mark.parametrize(
    ("messages", "state"),
    [
        ({"availability": b"online"}, "online"),
        ({"availability": b"online", "camera/availability": b"offline"}, "no camera"),
        ({"availability": b"online", "camera/availability": b"offline", "running": b"off"}, "paused"),
        ({"availability": b"offline", "running": b"off"}, "offline"),
        ({"health": {"fps": 3}}, "unknown"),
    ],
)
def test_the_state_is_what_keeps_it_from_working(house: House, messages: dict[str, Any], state: str) -> None:
    for topic, payload in messages.items():
        tell(house, f"attic/{topic}", payload)
    assert house.devices(0)["attic"].state == state


def test_a_device_that_took_itself_back_is_gone(house: House) -> None:
    tell(house, "attic/availability", b"online")
    tell(house, "attic/availability", b"")
    assert house.devices(0) == {}


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff", b"[" * 100_000, [], {}, {"emotion": 3, "confidence": 1}, {"emotion": "x", "confidence": "y"},
     b'{"emotion": "x", "confidence": NaN}', b'{"emotion": "x", "confidence": 1e999}'],
    ids=range(9),
)  # fmt: skip
def test_garbage_is_passed_over(house: House, payload: Any) -> None:
    tell(house, "attic/availability", b"online")
    for topic in ("faces/1", "health", "faces/x", "faces/²", "faces/", "elsewhere/a/b"):
        tell(house, f"attic/{topic}", payload)
    attic = house.devices(0)["attic"]
    assert (attic.faces, attic.fps) == ({}, None)


def test_no_amount_of_devices_or_faces_fills_the_memory_and_nothing_commands_the_terminal(house: House) -> None:
    for number in range(MOST_DEVICES + 10):
        tell(house, f"{number}/availability", b"online")
    assert len(house.devices(0)) == MOST_DEVICES
    for track in range(100):
        tell(house, f"0/faces/{track}", {"emotion": "\x1b[2Jsad" + "!" * 100, "confidence": 7})
    faces = house.devices(0)["0"].faces
    assert len(faces) == 50
    assert (faces[0].emotion[:6], len(faces[0].emotion) < 64, faces[0].confidence) == ("[2Jsad", True, 1.0)
