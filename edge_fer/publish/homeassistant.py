"""The device as Home Assistant finds it by itself: MQTT discovery of a whole device in one retained message.

Format: https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import random
import re
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Final

from edge_fer.publish import payloads
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import Info
from edge_fer.publish.transport import Received
from edge_fer.records import LABELS, UNCERTAIN

NOBODY: Final = "nobody"
"""The emotion sensor's state while no face is in view."""

_BIRTH_DELAY_S: Final = 5.0
"""A house full of devices answers Home Assistant's start within so many seconds, not all at once."""

_MISSES: Final = 3
"""So many heartbeats may be missed before a sensor becomes unavailable."""


class Discovery:
    """Announces one device, and again when Home Assistant starts.

    Args:
        base: the device's topic.
        prefix: Home Assistant's discovery prefix; its birth message comes on `<prefix>/status`.
        enabled: False takes back what an earlier run announced.
        pictures: whether the device publishes any.
        clock: monotonic seconds.
        uniform: random numbers in [0, 1) for the delay.
    """

    def __init__(
        self,
        *,
        base: str,
        prefix: str,
        enabled: bool,
        pictures: bool = False,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.enabled = enabled
        self._pictures = pictures
        self.status_topic = f"{prefix}/status"
        self._base = base
        self._topic = discovery_topic(base, prefix)
        self._clock = clock
        self._uniform = uniform
        self._due_s: float | None = None

    def hear(self, received: Received) -> None:
        """Take Home Assistant's birth message; called on the network thread."""
        if received.payload == b"online" and not received.retained:
            self._due_s = self._clock() + self._uniform() * _BIRTH_DELAY_S

    def is_due(self) -> bool:
        """Whether Home Assistant has started and everything is to be told again; once."""
        due = self._due_s is not None and self._clock() >= self._due_s
        if due:
            self._due_s = None
        return due

    def message(self, info: Info, *, heartbeat_s: float, health_s: float) -> Message:
        """The announcement, retained; an empty one, which removes the device, unless enabled."""
        payload = b""
        if self.enabled:
            described = device(self._base, info, heartbeat_s=heartbeat_s, health_s=health_s, pictures=self._pictures)
            payload = payloads.encode(described)
        return Message(self._topic, payload, qos=1, retain=True)


def discovery_topic(base: str, prefix: str) -> str:
    """Where a device with this topic is announced, under Home Assistant's discovery prefix."""
    return f"{prefix}/device/{_device_id(base)}/config"


def device(base: str, info: Info, *, heartbeat_s: float, health_s: float, pictures: bool = False) -> dict[str, Any]:
    """The discovery payload.

    Args:
        base: the device's topic, `<base>/<device>`.
        info: what runs there.
        heartbeat_s: longest time between two readings.
        health_s: time between two health messages.
        pictures: whether there are any; False takes the image back that an earlier run announced.
    """
    identity, name = _device_id(base), base.rpartition("/")[2]
    online = {"topic": f"{base}/availability"}
    looking = {"availability": [online, {"topic": f"{base}/camera/availability"}], "availability_mode": "all"}
    state_expiry = {"expire_after": ceil(_MISSES * heartbeat_s)}
    percent = {"unit_of_measurement": "%", "state_class": "measurement", "suggested_display_precision": 0}
    emotion = {"platform": "sensor", "state_topic": f"{base}/emotion", **looking, **state_expiry}
    components: dict[str, dict[str, Any]] = {
        "emotion": {
            **emotion,
            "name": "Emotion",
            "icon": "mdi:emoticon-outline",
            "device_class": "enum",
            "options": [*info.labels, UNCERTAIN, NOBODY],
            "value_template": f"{{{{ value_json.emotion or '{NOBODY}' }}}}",
        },
        "confidence": {
            **emotion,
            **percent,
            "name": "Confidence",
            "icon": "mdi:percent",
            "value_template": _percent("value_json.confidence"),
        },
        "faces": {
            "platform": "sensor",
            "name": "Faces",
            "icon": "mdi:account-multiple",
            "state_topic": f"{base}/faces",
            "state_class": "measurement",
            **looking,
            **state_expiry,
        },
        "fps": {
            "platform": "sensor",
            "name": "Frame rate",
            "icon": "mdi:speedometer",
            "state_topic": f"{base}/health",
            "value_template": "{{ value_json.fps }}",
            "unit_of_measurement": "fps",
            "state_class": "measurement",
            "suggested_display_precision": 1,
            "entity_category": "diagnostic",
            "expire_after": ceil(_MISSES * health_s),
        },
        "camera": {
            "platform": "binary_sensor",
            "name": "Camera",
            "device_class": "problem",
            "state_topic": f"{base}/camera/availability",
            "payload_on": "offline",
            "payload_off": "online",
            "entity_category": "diagnostic",
            # Released on request, the camera is no problem.
            "availability": [
                online,
                {"topic": f"{base}/running", "payload_available": "on", "payload_not_available": "off"},
            ],
            "availability_mode": "all",
        },
        "running": {
            "platform": "switch",
            "name": "Running",
            "icon": "mdi:eye",
            "state_topic": f"{base}/running",
            "state_on": "on",
            "state_off": "off",
            "command_topic": f"{base}/command",
            "payload_on": "resume",
            "payload_off": "pause",
        },
    }
    for label in info.labels:
        components[f"score_{_slug(label)}"] = {
            **emotion,
            **percent,
            "name": f"Score {label}",
            "icon": "mdi:chart-bar",
            "value_template": _percent(f"(value_json.scores or {{}}).get({label!r})"),
            "entity_category": "diagnostic",
            "enabled_by_default": False,
        }
    if pictures:
        components["picture"] = {
            "platform": "image",
            "name": "Picture",
            "icon": "mdi:image-outline",
            "image_topic": f"{base}/picture",
            "content_type": "image/jpeg",
            **looking,
        }
    for key, component in components.items():
        component["unique_id"] = f"{identity}_{key}"
        component["default_entity_id"] = f"{component['platform']}.{_slug(f'{name}_{key}')}"
    # What another model or configuration may have had: a component with nothing but its platform is removed.
    gone = {f"score_{_slug(label)}": {"platform": "sensor"} for label in LABELS} | {"picture": {"platform": "image"}}
    return {
        "device": {
            "identifiers": [identity],
            "name": name,
            "manufacturer": "edge-fer",
            "model": f"Facial expression sensor, model {info.model_name}",
            "sw_version": info.version,
        },
        "origin": {"name": "edge-fer", "sw_version": info.version},
        "availability": [online],
        "qos": 1,
        "components": gone | components,
    }


def _percent(expression: str) -> str:
    """A template of a probability as a percentage; `none` makes the state unknown."""
    return f"{{% set p = {expression} %}}{{{{ none if p is none else (p * 100) | round(1) }}}}"


def _device_id(base: str) -> str:
    """The same as long as the device keeps its topic, which nothing else on the broker has."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", base)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", text.lower())
