"""`edge-fer demo`: everything at once, with whatever this machine has."""

import importlib.util
import os
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from edge_fer.broker import PROTOCOL, EmbeddedBroker, is_broker_listening
from edge_fer.camera import open_source
from edge_fer.clip import write_demo_clip
from edge_fer.config import CameraConfig, Config, MqttConfig, WebConfig
from edge_fer.daemon import run_daemon
from edge_fer.errors import BrokerError, CameraError
from edge_fer.publish.console import ConsoleSink

BROKER_PORT: Final = 1883
PAGE_PORTS: Final = range(8080, 8100)
LOCAL: Final = "127.0.0.1"
Say: TypeAlias = Callable[[str, str], None]
"""Tells the user what was chosen: topic and sentence."""


def run_demo(out: TextIO) -> bool:
    """Choose camera, broker, detector and page, say so in one line each, and run until Ctrl-C.

    Returns:
        see `Daemon.run`.
    """

    def say(topic: str, text: str) -> None:
        print(f"{topic:9} {text}", file=out, flush=True)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edge-fer-")))
        config = Config(
            camera=_choose_camera(folder, say),
            mqtt=_choose_broker(stack, say),
            web=_choose_page(say),
        )
        if config.mqtt.enabled:
            say("listen", f"mosquitto_sub -h {LOCAL} -p {config.mqtt.port} -t '{config.mqtt.base_topic}/#' -v")
        say("stop", "Ctrl-C")
        return run_daemon(
            config,
            load=lambda: config,
            output=lambda _config: ConsoleSink(out),
            when_ready=lambda: _open_page(config.web, os.environ),
        )


def _choose_camera(folder: Path, say: Say) -> CameraConfig:
    """The first webcam that gives a frame, else a clip made on the spot."""
    for device in sorted(Path("/dev").glob("video*")):
        settings = CameraConfig(source=str(device))
        try:
            with closing(open_source(settings)) as source:
                source.read()
                say("camera", f"{source.name}, {source.details}")
                return settings
        except CameraError:
            continue  # many a /dev/videoN is a codec or a metadata node
    clip = folder / "clip.mp4"
    write_demo_clip(clip)
    say("camera", "no webcam here, so a clip that pans over a portrait of Grace Hopper")
    return CameraConfig(source=str(clip), loop=True)


def _choose_broker(stack: ExitStack, say: Say) -> MqttConfig:
    """The broker of this machine, else one of our own."""
    settings = MqttConfig(host=LOCAL, port=BROKER_PORT)
    if is_broker_listening(LOCAL, BROKER_PORT, timeout_s=1.0):
        say("broker", f"the one at {LOCAL}:{BROKER_PORT}")
        return settings
    try:
        stack.enter_context(EmbeddedBroker(BROKER_PORT))
    except BrokerError as error:
        say("broker", f"none: {error}")
        return MqttConfig(enabled=False)
    say("broker", f"an embedded one at {LOCAL}:{BROKER_PORT}, for this machine only")
    return settings.model_copy(update={"protocol": PROTOCOL})


def _open_page(web: WebConfig, environ: Mapping[str, str]) -> bool:
    """Show the page, where there is one and a desktop to show it on."""
    desktop = "DISPLAY" in environ or "WAYLAND_DISPLAY" in environ
    return web.enabled and desktop and webbrowser.open(f"http://{LOCAL}:{web.port}/")


def _choose_page(say: Say) -> WebConfig:
    """The live page on the first free port, if its libraries are installed."""
    if any(importlib.util.find_spec(library) is None for library in ("starlette", "uvicorn")):
        say("page", "none: run `pip install 'edge-fer[web]'` to have one")
        return WebConfig()
    for port in PAGE_PORTS:
        if not is_broker_listening(LOCAL, port, timeout_s=1.0):
            say("page", f"http://{LOCAL}:{port}/")
            return WebConfig(enabled=True, host=LOCAL, port=port, pictures=True)
    say("page", f"none: ports {PAGE_PORTS.start} to {PAGE_PORTS.stop - 1} are all taken")
    return WebConfig()
