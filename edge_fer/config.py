"""Every option of the daemon: its name, type, range, default and meaning, declared once.

The annotated `configs/edge-fer.yaml`, the JSON Schema for editors and the sentences of `configfile` all follow
from these fields; a test keeps the YAML equal to them.
"""

import ipaddress
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from edge_fer.config_versions import CURRENT
from edge_fer.password import PASSWORD_HASH, TOKEN_HASH

Seconds = Annotated[float, Field(gt=0, le=3600)]
Share = Annotated[float, Field(ge=0, le=1)]
RateHz = Annotated[float, Field(gt=0, le=1000)]
TopicLevel = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Topic = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", max_length=200)]


def _number_as_text(value: object) -> object:
    """YAML reads `5` as a number; the version's name is what was meant."""
    return str(value) if type(value) is int else value


def _is_password_hash(value: SecretStr) -> SecretStr:
    if not PASSWORD_HASH.fullmatch(value.get_secret_value()):
        raise ValueError("this is no password's hash; run `edge-fer password` and copy what it prints")
    return value


def _is_token_hash(value: SecretStr) -> SecretStr:
    if not TOKEN_HASH.fullmatch(value.get_secret_value()):
        raise ValueError("this is no token's hash; run `edge-fer password --token` and copy what it prints")
    return value


class Section(BaseModel):
    """A block of options: unknown keys are refused, values are never changed after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class CameraConfig(Section):
    """Where the pictures come from."""

    source: Annotated[int, Field(ge=0, le=99)] | Annotated[str, StringConstraints(min_length=1)] = 0
    """Index, /dev/videoN, picamera2, rtsp://…, http://…, a video file, a folder of images, or pattern."""
    loop: bool = False
    """Begin a video file or folder again at its end, instead of ending with exit code 0."""
    realtime: bool = True
    """Play a video file or folder at its own pace; false takes every frame as fast as possible."""
    width: Annotated[int, Field(ge=64, le=8192)] = 640
    """Width to ask a camera for, in pixels; the log says what it gave."""
    height: Annotated[int, Field(ge=48, le=8192)] = 480
    """Height to ask a camera for, in pixels."""
    fps: Annotated[float, Field(gt=0, le=1000)] = 30.0
    """Frames per second to ask a camera for, and the pace of a folder of images or the test pattern."""
    open_timeout_s: Seconds = 10.0
    """Give up one attempt to open a network stream after so many seconds (it is tried again, for ever)."""
    stall_timeout_s: Seconds = 5.0
    """Reopen a camera that gave no new frame for so many seconds."""


class DetectorConfig(Section):
    """How faces are found."""

    kind: Literal["auto", "edge", "yunet", "haar"] = "auto"
    """edge (comes along), yunet (`edge-fer models pull`), haar (OpenCV has it), or auto: edge, or what model is."""
    model: str | None = None
    """Path of the detector's file, if not the installed one: .tflite (edge), .onnx (yunet) or .xml (haar)."""
    min_score: Share = 0.75
    """Faces that YuNet or edge is less sure of are left out; Haar gives no score."""
    min_face: Annotated[float, Field(ge=0.0125, le=0.3)] = 0.05
    """Smallest face to find, its width as a share of the picture's longer side; half of it costs fourfold."""
    search_px: Annotated[int, Field(ge=80, le=1920)] | None = None
    """Larger frames are searched at this length of their longer side; null takes what min_face needs."""


class PaceConfig(Section):
    """How often is looked, so that a small board keeps up and an idle one rests."""

    target_fps: RateHz = 15.0
    """Frames per second to keep up with many faces: what does not fit into a frame's time waits for the next."""
    search_hz: RateHz = 3.0
    """The whole picture is searched for newcomers so often while faces are followed, or something keeps moving."""
    follow_hz: RateHz = 10.0
    """Each face is found again near its last place and judged so often; in between it moves on as it did."""
    idle_hz: RateHz = 0.5
    """The whole picture is searched so often while nobody is there and nothing moves; what moves wakes it."""


class TrackingConfig(Section):
    """How a face is followed from frame to frame."""

    min_iou: Share = 0.3
    """Boxes of two frames that overlap at least so much (intersection over union) are the same face."""
    sure_score: Share = 0.9
    """A face that the detector is so sure of counts at once."""
    min_hits: Annotated[int, Field(ge=1, le=100)] = 3
    """A face that is not sure counts once it was found in so many looks in a row: a hand taken for one never is."""
    memory_s: Seconds = 0.7
    """A face that is missed keeps its track for so many seconds."""


class SmoothingConfig(Section):
    """How scores of single frames become steady emotions."""

    time_constant_s: Seconds = 0.8
    """Scores are averaged over about so many seconds, whatever the frame rate."""
    enter_confidence: Share = 0.5
    """An emotion is reported once its smoothed score is at least this; until then it is uncertain."""
    leave_confidence: Share = 0.35
    """A reported emotion is given up when its smoothed score falls below this."""
    dwell_s: Annotated[float, Field(ge=0, le=60)] = 0.3
    """A change must last so many seconds before it is reported."""

    @model_validator(mode="after")
    def _leave_below_enter(self) -> "SmoothingConfig":
        if self.leave_confidence > self.enter_confidence:
            msg = f"leave_confidence {self.leave_confidence} is above enter_confidence {self.enter_confidence}"
            raise ValueError(f"{msg}; give one that is at most {self.enter_confidence}")
        return self


class TlsConfig(Section):
    """Encryption of the way to the broker."""

    enabled: bool = False
    """Speak TLS and check the broker's certificate (port 8883 is usual)."""
    ca_file: Path | None = Field(default=None, strict=False)
    """Certificate authority to trust, PEM; null trusts the system's."""
    cert_file: Path | None = Field(default=None, strict=False)
    """Client certificate, PEM, for brokers that ask for one."""
    key_file: Path | None = Field(default=None, strict=False)
    """The client certificate's private key, PEM, without a passphrase."""

    @model_validator(mode="after")
    def _cert_and_key(self) -> "TlsConfig":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both or neither")
        return self


class EventsConfig(Section):
    """What becomes of events while the broker is away."""

    max_age_s: Annotated[float, Field(gt=0, le=604800)] = 3600.0
    """An event that waited for so many seconds is given up, and counted in health."""
    max_queued: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """So many wait at most (some 400 bytes each); beyond it the oldest is given up, and counted."""
    spool: Path | None = Field(default=None, strict=False)
    """File in which events wait as well, to outlive a crash or power cut; null spares the SD card."""


class HomeAssistantConfig(Section):
    """How Home Assistant finds the device."""

    enabled: bool = True
    """Announce the device by MQTT discovery; false takes the announcement back."""
    discovery_prefix: Topic = "homeassistant"
    """Home Assistant's own discovery prefix."""


class MqttConfig(Section):
    """The broker and what is sent to it."""

    enabled: bool = True
    """Publish over MQTT; false is for `--stdout` or the live page alone."""
    host: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "localhost"
    """Name or address of the broker."""
    port: Annotated[int, Field(ge=1, le=65535)] = 1883
    """Port of the broker."""
    username: str | None = None
    """User name, if the broker asks for one (also: EDGE_FER_MQTT_USERNAME)."""
    password: SecretStr | None = Field(default=None, strict=False)
    """Better not here: set EDGE_FER_MQTT_PASSWORD, or systemd's credential mqtt_password."""
    base_topic: Topic = "edge-fer"
    """Topics begin with base_topic/device."""
    protocol: Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(_number_as_text)] = "auto"
    """MQTT version; auto speaks 5 and falls back to 3.1.1 where the broker knows no better."""
    transport: Literal["tcp", "websockets"] = "tcp"
    """What carries MQTT; websockets pass where only the web's ports do (TLS makes them wss)."""
    websocket_path: Annotated[str, StringConstraints(pattern=r"^/[!-~]{0,199}$")] = "/mqtt"
    """Where the broker takes MQTT over websockets."""
    keepalive_s: Annotated[int, Field(ge=5, le=3600)] = 30
    """The broker declares the daemon offline after one and a half times so many seconds of silence."""
    heartbeat_s: Seconds = 10.0
    """The retained emotion is sent on every change, and again after so many seconds without one."""
    rate_hz: RateHz = 5.0
    """At most so many readings a second of each face on faces/TRACK."""
    health_s: Seconds = 30.0
    """Seconds between two health messages."""
    events: EventsConfig = EventsConfig()
    pictures: bool = False
    """Publish a picture of who is in view with each heartbeat; whoever may read the broker's topics sees it."""
    home_assistant: HomeAssistantConfig = HomeAssistantConfig()
    tls: TlsConfig = TlsConfig()

    @model_validator(mode="after")
    def _password_with_username(self) -> "MqttConfig":
        if self.password is not None and self.username is None:
            raise ValueError(
                "password goes with a user name, and would not be sent without; set username too, or leave password out"
            )
        return self


class WebConfig(Section):
    """The live page."""

    enabled: bool = False
    """Serve the live page to browsers."""
    host: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "127.0.0.1"
    """Address to listen on; 0.0.0.0 (or ::) is every one, and any but this machine's own demands a password."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port of the page; 0 takes a free one, which the log names."""
    pictures: bool = False
    """Show the camera's picture; false shows only where faces are, as outlines on an empty stage."""
    password_hash: Annotated[SecretStr, AfterValidator(_is_password_hash)] | None = Field(default=None, strict=False)
    """What `edge-fer password` prints (also: EDGE_FER_WEB_PASSWORD_HASH, or the credential web_password_hash)."""
    token_hash: Annotated[SecretStr, AfterValidator(_is_token_hash)] | None = Field(default=None, strict=False)
    """What `edge-fer password --token` prints: lets scripts in that send the token, beside the password."""
    names: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,253}$")], ...] = Field(
        default=(), strict=False
    )
    """Further names by which browsers may call this machine, such as kitchen.lan; its own and .local are known."""
    cert_file: Path | None = Field(default=None, strict=False)
    """Certificate, PEM: the page is then served over https only."""
    key_file: Path | None = Field(default=None, strict=False)
    """The certificate's private key, PEM, without a passphrase."""

    @property
    def for_this_machine(self) -> bool:
        """Whether `host` is one that no other machine can reach."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> "WebConfig":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both or neither")
        if self.token_hash is not None and self.password_hash is None:
            raise ValueError("token_hash stands beside a password; run `edge-fer password` and set password_hash too")
        if not self.for_this_machine and self.password_hash is None:
            raise ValueError(
                f"host {self.host} would show the page to the network without a password; "
                "run `edge-fer password` and set password_hash, or give host 127.0.0.1"
            )
        return self


class LogConfig(Section):
    """What the log tells."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe kind of message to write."""


class Config(Section):
    """Everything that `edge-fer run` is told."""

    version: Annotated[int, Field(ge=CURRENT, le=CURRENT)] = CURRENT
    """Form of this file; an older one is understood, and `edge-fer service install` rewrites it."""
    device: TopicLevel | None = None
    """Name of this device in topics: letters, digits, _ and -; null takes the host's name."""
    camera: CameraConfig = CameraConfig()
    detector: DetectorConfig = DetectorConfig()
    pace: PaceConfig = PaceConfig()
    tracking: TrackingConfig = TrackingConfig()
    model: Annotated[str, StringConstraints(min_length=1)] = "emotion"
    """A shipped model's name, or the path of a .tflite with its card (.json) beside it."""
    threads: Annotated[int, Field(ge=1, le=16)] = 1
    """CPU threads for detector and classifier; `edge-fer check` measures which number suits this machine."""
    smoothing: SmoothingConfig = SmoothingConfig()
    mqtt: MqttConfig = MqttConfig()
    web: WebConfig = WebConfig()
    log: LogConfig = LogConfig()

    def with_mqtt(self, values: Mapping[str, float]) -> "Config":
        """The same with some options of `mqtt` changed, which were checked already."""
        return self.model_copy(update={"mqtt": self.mqtt.model_copy(update=dict(values))})

    @property
    def device_name(self) -> str:
        """The name in topics: the configured one, or the host's reduced to what a topic level may hold."""
        host = socket.gethostname().split(".")[0]
        return self.device or re.sub(r"[^A-Za-z0-9_-]", "-", host)[:64] or "edge-fer"
