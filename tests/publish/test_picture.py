"""Pictures reach the broker if the user turned them on, and otherwise not a pixel does."""

import ast
import json
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from jsonschema import Draft202012Validator

import edge_fer.publish
from edge_fer.assembly import Assembly
from edge_fer.camera import CameraState, Capture, EndOfStream
from edge_fer.config import Config
from edge_fer.control import Control, Wish
from edge_fer.daemon import Daemon
from edge_fer.pipeline import Pipeline
from edge_fer.publish import schemas
from edge_fer.publish.picture import MAX_BYTES, Photographer, encode_picture
from edge_fer.records import Frame, Reading
from edge_fer.stages import Stopwatch

TINY = str(Path(__file__).parents[1] / "fixtures" / "tiny.tflite")
CHANCE = np.random.default_rng(1)


def frame(time_s: float = 0.0, height_px: int = 48, width_px: int = 64) -> Frame:
    return Frame(np.full((height_px, width_px), 90, np.uint8), time_s, 0)


def decode(jpeg: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_a_picture_is_taken_once_per_heartbeat_and_only_of_a_face(make_reading: Callable[..., Reading]) -> None:
    taken: list[float] = []
    now_s = 0.0
    photographer = Photographer(lambda _jpeg: taken.append(now_s), heartbeat_s=10)
    for tenths in range(600):
        now_s = tenths / 10
        if now_s == 40:
            photographer.heartbeat_s = 15
        photographer.look(now_s, frame(), [] if now_s < 3.5 else [make_reading()])
    assert taken == [3.5, 13.5, 23.5, 33.5, 48.5]


def test_the_frame_is_shown_with_its_faces_marked_and_stays_as_it_was(make_reading: Callable[..., Reading]) -> None:
    seen = frame(height_px=480, width_px=640)
    shown = decode(encode_picture(seen, [make_reading(emotion="happy")]))
    assert shown.shape == (480, 640, 3)
    assert np.ptp(shown[300:, 300:]) <= 4  # plain gray, away from the face
    blue, green, red = shown[96 + 96, 64 : 64 + 128].mean(axis=0)  # the box' lower edge, in the colour of happy
    assert min(green, red) - blue > 50  # JPEG halves the resolution of colour, and the line is one pixel wide
    assert np.ptp(seen.pixels) == 0


def test_colour_is_shown_where_the_camera_has_it_and_is_not_drawn_into(make_reading: Callable[..., Reading]) -> None:
    colour = np.full((48, 64, 3), (200, 100, 0), np.uint8)
    shown = decode(encode_picture(replace(frame(), colour=lambda: colour), [make_reading()]))
    assert np.abs(shown[40, 60].astype(int) - (200, 100, 0)).max() <= 8
    assert (colour == (200, 100, 0)).all()


@pytest.mark.parametrize(
    ("height_px", "width_px", "width_shown_px"), [(480, 640, 640), (1080, 1920, 640), (60, 80, 80)]
)
def test_a_picture_is_never_larger_than_its_bound(height_px: int, width_px: int, width_shown_px: int) -> None:
    plain = encode_picture(frame(height_px=height_px, width_px=width_px), [])
    assert decode(plain).shape[:2] == (round(height_px * width_shown_px / width_px), width_shown_px)
    noise = CHANCE.integers(0, 256, (height_px, width_px), np.uint8)
    assert len(encode_picture(Frame(noise, 0.0, 0), [])) <= MAX_BYTES


def test_a_picture_that_would_be_too_large_is_shown_smaller() -> None:
    noise = CHANCE.integers(0, 256, (480, 640), np.uint8)
    assert decode(encode_picture(Frame(noise, 0.0, 0), [])).shape == (240, 320, 3)


def test_nothing_else_that_publishes_knows_of_pixels() -> None:
    """Privacy is a matter of types: neither frames nor arrays can be held there."""
    pixels = {"Frame", "GrayImage", "ColourImage", "cv2", "numpy", "np"}
    [folder] = edge_fer.publish.__path__
    knowing = set()
    for path in Path(folder).rglob("*.py"):
        imports = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = {alias.name for node in imports for alias in node.names}
        if names & pixels:
            knowing.add(path.name)
    assert knowing == {"picture.py"}


class Film:
    """A camera that shows the same for so many frames, ten a second by its own clock; it waits for the broker."""

    name = "film"
    state = CameraState(name="film", details="", online=True, since_s=0.0, reconnects=0, dropped=0, error=None)

    def __init__(self, frames: int, before: Mapping[int, Callable[[], None]]) -> None:
        self.assembly: Assembly | None = None
        self._frames = frames
        self._before = before
        self._index = 0

    def clock(self) -> float:
        return self._index / 10

    def next(self, _timeout_s: float) -> Frame:
        self._before.get(self._index, lambda: None)()
        assert self.assembly is not None
        assert self.assembly.mqtt is not None
        while not self.assembly.mqtt.link.connected or self.assembly.mqtt.link.queued:
            time.sleep(0.001)
        if self._index == self._frames:
            raise EndOfStream
        self._index += 1
        return frame(self.clock())

    def stop(self) -> bool:
        return True


class AlwaysSomebody:
    """A pipeline that finds the same face in every frame."""

    def __init__(self, real: Pipeline, reading: Reading) -> None:
        self.card, self.detector, self.watch = real.card, real.detector, Stopwatch()
        self._reading = reading

    def process(self, _frame: Frame) -> list[Reading]:
        return [self._reading]

    def forget(self) -> None: ...


class Play:
    """A daemon with a face in view for so many frames, and all that the broker's subscribers get of it."""

    def __init__(self, broker: Any, reading: Reading) -> None:
        self._broker = broker
        self._reading = reading

    def heard(self, frames: int, *pictures: bool) -> list[tuple[str, bytes]]:
        """Topics and payloads; reloads at equal intervals turn pictures on and off as told."""
        address = "-h", self._broker.host, "-p", str(self._broker.port)
        listener = subprocess.Popen(
            ["mosquitto_sub", *address, "-t", "#", "-q", "1", "-F", "%t %r %x"], stdout=subprocess.PIPE, text=True
        )
        assert listener.stdout is not None
        try:
            while True:  # until it has subscribed
                subprocess.run(["mosquitto_pub", *address, "-t", "begin", "-m", "."], check=True)
                if select.select([listener.stdout], [], [], 0.1)[0]:
                    break
            self._run(frames, *pictures)
            subprocess.run(["mosquitto_pub", *address, "-t", "end", "-n", "-q", "1"], check=True)
            heard = []
            for line in listener.stdout:
                topic, retained, payload = line.rstrip("\n").split(" ")
                if topic == "end":
                    break
                heard.append((topic, bytes.fromhex(payload)))
                assert retained == "0"
        finally:
            listener.kill()
            listener.communicate()
        return [(topic, payload) for topic, payload in heard if topic != "begin"]

    def _run(self, frames: int, *pictures: bool) -> None:
        control, wanted = Control(), iter(pictures)

        def config() -> Config:
            mqtt = {"host": self._broker.host, "port": self._broker.port, "pictures": next(wanted)}
            return Config.model_validate({"device": "kitchen", "model": TINY, "mqtt": mqtt})

        reloads = {
            place * frames // len(pictures): lambda: control.ask(Wish.RELOAD) for place in range(1, len(pictures))
        }
        film = Film(frames, reloads)
        film.assembly = Assembly(config(), control=control, open_capture=lambda _camera: cast("Capture", film))
        film.assembly.pipeline = cast("Pipeline", AlwaysSomebody(film.assembly.pipeline, self._reading))
        Daemon(film.assembly, control=control, load=config, clock=film.clock).run()


@pytest.fixture
def play(mosquitto: Any, make_reading: Callable[..., Reading]) -> Play:
    return Play(mosquitto, make_reading())


PICTURE = "edge-fer/kitchen/picture"


@pytest.mark.real
def test_with_pictures_off_everything_that_leaves_is_described_text(play: Play, mosquitto: Any) -> None:
    heard = play.heard(300, False)
    topics = {topic.removeprefix("edge-fer/kitchen/") for topic, _ in heard if topic.startswith("edge-fer/kitchen/")}
    assert topics == {
        "availability", "camera/availability", "info", "running", "emotion", "faces", "faces/1", "event", "health",
    }  # fmt: skip
    for topic, payload in heard:
        name = topic.removeprefix("edge-fer/kitchen/")
        if topic.startswith("homeassistant/"):
            image = json.loads(payload)["components"]["picture"]
            assert image == {"platform": "image"}, "this takes an earlier one back"
            continue
        schema = schemas.TOPICS["faces/+" if name.startswith("faces/") else name]
        text = payload.decode()
        Draft202012Validator(schemas.load(schema)).validate(text if schema in schemas.PLAIN_TEXT else json.loads(text))
    assert PICTURE not in mosquitto.retained()


@pytest.mark.real
def test_with_pictures_on_there_is_one_per_heartbeat_for_who_listens_and_none_is_kept(
    play: Play, mosquitto: Any
) -> None:
    heard = play.heard(300, True)
    pictures = [payload for topic, payload in heard if topic == PICTURE]
    assert [decode(picture).shape for picture in pictures] == [(48, 64, 3)] * 3
    [described] = [json.loads(payload) for topic, payload in heard if topic.startswith("homeassistant/")]
    assert described["components"]["picture"]["image_topic"] == PICTURE
    assert PICTURE not in mosquitto.retained()


@pytest.mark.real
def test_a_reload_turns_pictures_on_and_off(play: Play) -> None:
    heard = play.heard(300, False, True, False)
    kinds = [
        "picture" if topic == PICTURE else json.loads(payload)["components"]["picture"].get("name")
        for topic, payload in heard
        if topic == PICTURE or topic.startswith("homeassistant/")
    ]
    assert kinds == [None, "Picture", "picture", None]
