import json
import re
from dataclasses import replace
from typing import Any

import pytest

from edge_fer.publish.homeassistant import Discovery, device
from edge_fer.publish.reports import Info
from edge_fer.publish.transport import Received
from edge_fer.records import LABELS

BASE = "edge-fer/kitchen"


@pytest.fixture
def payload(info: Info) -> dict[str, Any]:
    return device(BASE, info, heartbeat_s=10, health_s=30, pictures=True)


def present(payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The components that are more than a removal."""
    return {key: component for key, component in payload["components"].items() if len(component) > 1}


def test_the_announcement_keeps_home_assistants_rules(payload: dict[str, Any]) -> None:
    assert payload["device"]["identifiers"] == ["edge-fer_kitchen"]
    assert payload["device"]["name"] == "kitchen"
    assert payload["origin"]["name"] == "edge-fer"
    components = present(payload)
    assert components.keys() == {
        "emotion", "confidence", "faces", "fps", "camera", "running", "picture",
        *(f"score_{label}" for label in LABELS),
    }  # fmt: skip
    for key, component in components.items():
        assert component["unique_id"] == f"edge-fer_kitchen_{key}"
        assert component["default_entity_id"] == f"{component['platform']}.kitchen_{key}"
        assert re.fullmatch(r"[a-z_]+\.[a-z0-9_]+", component["default_entity_id"])
        assert "object_id" not in component
        assert "json_attributes_topic" not in component
        assert component["state_topic" if key != "picture" else "image_topic"].startswith(f"{BASE}/")
        if component.get("device_class") == "enum":
            assert not component.keys() & {"unit_of_measurement", "state_class"}


def test_the_emotion_is_one_of_its_options(payload: dict[str, Any]) -> None:
    emotion = payload["components"]["emotion"]
    assert (emotion["device_class"], emotion["expire_after"]) == ("enum", 30)
    assert emotion["options"] == [*LABELS, "uncertain", "nobody"]
    assert emotion["value_template"] == "{{ value_json.emotion or 'nobody' }}"


def test_what_is_seen_needs_the_camera_and_scores_wait_until_they_are_wanted(payload: dict[str, Any]) -> None:
    components = present(payload)
    seen = [{"topic": f"{BASE}/availability"}, {"topic": f"{BASE}/camera/availability"}]
    for key in ("emotion", "confidence", "faces", "score_happy"):
        assert (components[key]["availability"], components[key]["availability_mode"]) == (seen, "all")
    assert payload["availability"] == [{"topic": f"{BASE}/availability"}]
    score = components["score_happy"]
    assert (score["entity_category"], score["enabled_by_default"]) == ("diagnostic", False)
    assert components["fps"]["expire_after"] == 90


def test_the_switch_speaks_the_device_language(payload: dict[str, Any]) -> None:
    running = payload["components"]["running"]
    assert (running["command_topic"], running["payload_on"], running["payload_off"]) == (
        f"{BASE}/command", "resume", "pause",
    )  # fmt: skip
    assert (running["state_topic"], running["state_on"], running["state_off"]) == (f"{BASE}/running", "on", "off")


def test_the_scores_of_a_former_model_are_removed(info: Info) -> None:
    few = device(BASE, replace(info, labels=("happy", "a/b c")), heartbeat_s=10, health_s=30)
    assert few["components"]["score_sad"] == {"platform": "sensor"}
    assert few["components"]["score_happy"]["name"] == "Score happy"
    assert few["components"]["score_a_b_c"]["unique_id"] == "edge-fer_kitchen_score_a_b_c"


def test_the_image_is_a_jpeg_that_needs_the_camera_and_goes_when_pictures_are_turned_off(
    payload: dict[str, Any], info: Info
) -> None:
    picture = payload["components"]["picture"]
    assert (picture["platform"], picture["image_topic"], picture["content_type"]) == (
        "image", f"{BASE}/picture", "image/jpeg",
    )  # fmt: skip
    assert picture["availability"] == payload["components"]["emotion"]["availability"]
    without = device(BASE, info, heartbeat_s=10, health_s=30)
    assert without["components"]["picture"] == {"platform": "image"}


def test_devices_side_by_side_share_nothing(info: Info) -> None:
    one, other = (device(base, info, heartbeat_s=10, health_s=30) for base in (BASE, "edge-fer/hall"))
    assert one["device"]["identifiers"] != other["device"]["identifiers"]
    identities = [{component["unique_id"] for component in present(each).values()} for each in (one, other)]
    assert not identities[0] & identities[1]


def discovery(*, enabled: bool = True, now: list[float]) -> Discovery:
    return Discovery(base=BASE, prefix="ha", enabled=enabled, clock=lambda: now[0], uniform=lambda: 0.5)


def test_the_announcement_is_retained_and_taken_back_when_it_is_not_wanted(info: Info) -> None:
    wanted = discovery(now=[0.0]).message(info, heartbeat_s=10, health_s=30)
    assert (wanted.topic, wanted.qos, wanted.retain) == ("ha/device/edge-fer_kitchen/config", 1, True)
    assert json.loads(wanted.payload)["device"]["name"] == "kitchen"
    unwanted = discovery(enabled=False, now=[0.0]).message(info, heartbeat_s=10, health_s=30)
    assert (unwanted.topic, unwanted.payload, unwanted.retain) == (wanted.topic, b"", True)


def test_home_assistants_birth_is_answered_once_after_a_while() -> None:
    now = [100.0]
    announced = discovery(now=now)
    announced.hear(Received("ha/status", b"offline"))
    announced.hear(Received("ha/status", b"online", retained=True))
    assert not announced.is_due()
    announced.hear(Received("ha/status", b"online"))
    seen = []
    for now[0] in (100.0, 102.4, 102.5, 103.0):
        seen.append(announced.is_due())
    assert seen == [False, False, True, False]
