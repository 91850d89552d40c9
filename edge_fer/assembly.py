"""The parts that a configuration asks for, put together; and exchanged one by one when it changes."""

import hashlib
import itertools
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias, TypedDict

from edge_fer import __version__
from edge_fer.camera import CameraState, Capture, capture_from
from edge_fer.config import CameraConfig, Config, MqttConfig
from edge_fer.configfile import masked
from edge_fer.control import Control
from edge_fer.errors import EdgeFerError
from edge_fer.pipeline import open_pipeline
from edge_fer.publish.mqtt import MqttSink, VersionChoice, check_files, connect
from edge_fer.publish.paho import Tls
from edge_fer.publish.picture import Photographer
from edge_fer.publish.reports import Info
from edge_fer.publish.sinks import Sink, Sinks
from edge_fer.web import LivePage, check_certificate

Output: TypeAlias = Callable[[Config], Sink]
"""Makes a further sink beside MQTT, such as JSON lines on standard output."""

LIVE_SETTINGS: Final = ("heartbeat_s", "rate_hz", "health_s")
"""Options of `mqtt` that change without a new connection."""

OpenCapture: TypeAlias = Callable[[CameraConfig], Capture]
OpenMqtt: TypeAlias = Callable[[Config, Control], MqttSink | None]
OpenPage: TypeAlias = Callable[[Config, Control], LivePage | None]


class LostPartError(EdgeFerError):
    """A part was closed to make room for another, and neither can be had: only a new start mends that."""


def page_from(config: Config, control: Control) -> LivePage | None:
    """The live page, served already; None if it is not wanted.

    Raises:
        PageError: it cannot be served.
    """
    if not config.web.enabled:
        return None
    page = LivePage(config.web, ask=control.ask)
    page.start()
    return page


def mqtt_from(config: Config, control: Control) -> MqttSink | None:
    """The connection to the broker, which comes about in the background; None if it is not wanted.

    Raises:
        BrokerError: a file that it needs cannot be used.
    """
    mqtt = config.mqtt
    if not mqtt.enabled:
        return None
    return connect(
        device=config.device_name,
        base_topic=mqtt.base_topic,
        heartbeat_s=mqtt.heartbeat_s,
        rate_hz=mqtt.rate_hz,
        keepalive_s=mqtt.keepalive_s,
        event_max_age_s=mqtt.events.max_age_s,
        event_max_queued=mqtt.events.max_queued,
        event_spool=mqtt.events.spool,
        health_s=mqtt.health_s,
        discovery_prefix=mqtt.home_assistant.discovery_prefix,
        home_assistant=mqtt.home_assistant.enabled,
        pictures=mqtt.pictures,
        ask=control.ask,
        **broker_access(mqtt),
    )


class Assembly:
    """Camera, pipeline, sinks and page of one configuration.

    The camera is opened by the first look for a frame, and the broker is connected to in the background, so that
    neither keeps the daemon from starting.

    Args:
        config: what to put together.
        control: where the parts that listen, such as the live page, leave what is asked of the loop.
        output: makes a further sink, if one is wanted.
        open_capture: makes the source of frames.
        open_mqtt: makes the sink that publishes, if it is wanted.
        open_page: makes the live page, if it is wanted.

    Raises:
        EdgeFerError: a part that the configuration names cannot be used; none is left open.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: Control,
        output: Output | None = None,
        open_capture: OpenCapture = capture_from,
        open_mqtt: OpenMqtt = mqtt_from,
        open_page: OpenPage = page_from,
    ) -> None:
        self.config = config
        self._control = control
        self.started_at_s = time.time()
        self._output = output
        self._open_capture = open_capture
        self._open_mqtt = open_mqtt
        self._open_page = open_page
        self._clean = True
        self._dropped = self._reconnects = 0  # by captures that are over
        self._ids = itertools.count(1)
        with ExitStack() as undo:
            self.pipeline = open_pipeline(config, self._ids)
            self.capture = open_capture(config.camera)
            self.page = open_page(config, control)
            if self.page is not None:
                undo.callback(self.page.close)
            self.mqtt = open_mqtt(config, control)
            self.photographer = _photographer(config, self.mqtt)
            self.sinks = self._joined_sinks()
            undo.pop_all()

    @property
    def camera_state(self) -> CameraState:
        """How the camera is now, with the counts of every capture since the start."""
        state = self.capture.state
        return replace(state, dropped=self._dropped + state.dropped, reconnects=self._reconnects + state.reconnects)

    def announce(self) -> None:
        """Publish what runs here."""
        self.sinks.info(
            Info(
                version=__version__,
                model_name=self.pipeline.card.name,
                model_sha256=self.pipeline.card.sha256,
                labels=self.pipeline.card.labels,
                camera=self.capture.name,
                detector=self.pipeline.detector.name,
                started_at_s=self.started_at_s,
                config_digest=_digest(self.config),
            )
        )

    def change_to(self, config: Config) -> bool:
        """Exchange the parts that another configuration changes; the others go on undisturbed.

        Returns:
            whether anything changed.

        Raises:
            LostPartError: the page or the connection to the broker had to be closed, and is gone.
            EdgeFerError: a part cannot be had; all stays as it was.
        """
        old = self.config
        if config == old:
            return False
        pipeline, capture = self.pipeline, self.capture
        if _pipeline_part(config) != _pipeline_part(old):
            pipeline = open_pipeline(config, self._ids)
        if config.camera != old.camera:
            capture = self._open_capture(config.camera)
        reconnect = _connection_part(config) != _connection_part(old)
        if reconnect:
            self._check_mqtt(config)
        if config.web != old.web:
            self._exchange_page(config)
        # The page was the last that could be refused.
        if reconnect:
            self._exchange_mqtt(config)
        if capture is not self.capture:
            self.release_camera()
            self._replace_capture(capture)
        self._retune(config.mqtt)
        self.config, self.pipeline = config, pipeline
        self.sinks = self._joined_sinks()
        return True

    def release_camera(self) -> None:
        """Let go of the camera; no frame can be had until `reopen_camera`."""
        self._clean = self.capture.stop() and self._clean

    def reopen_camera(self) -> None:
        """A new capture for one that was stopped.

        Raises:
            UnusableSourceError: the film is gone meanwhile.
        """
        self._replace_capture(self._open_capture(self.config.camera))

    def close(self) -> bool:
        """Let go of the camera, say that the device is offline, close the page.

        Returns:
            False if a camera hung in its driver and was left behind.
        """
        with ExitStack() as parts:
            if self.page is not None:
                parts.callback(self.page.close)
            parts.callback(self.sinks.close)
            self.release_camera()
        return self._clean

    def _retune(self, mqtt: MqttConfig) -> None:
        if self.mqtt is not None:
            self.mqtt.retune(heartbeat_s=mqtt.heartbeat_s, rate_hz=mqtt.rate_hz, health_s=mqtt.health_s)
        if self.photographer is not None:
            self.photographer.heartbeat_s = mqtt.heartbeat_s

    def _replace_capture(self, capture: Capture) -> None:
        counted = self.camera_state
        self._dropped, self._reconnects = counted.dropped, counted.reconnects
        self.capture = capture

    def _exchange_page(self, config: Config) -> None:
        """Two pages cannot hold one port, not even at different addresses: then the old one makes room first."""
        old = self.page
        if old is None or old.port != config.web.port:
            self.page = self._open_page(config, self._control)
            if old is not None:
                old.close()
            return
        if config.web.enabled:
            check_certificate(config.web)  # no viewer is sent away for a file that is not there
        old.close()
        try:
            self.page = self._open_page(config, self._control)
        except EdgeFerError:
            try:
                self.page = self._open_page(self.config, self._control)
            except EdgeFerError as error:
                raise LostPartError(
                    f"the live page was closed for a reload and cannot be had again: {error}"
                ) from error
            raise

    def _check_mqtt(self, config: Config) -> None:
        """Whatever can be refused is to be refused while the old connection stands, and hears nothing of it.

        The spool that it holds can be used, and by nobody else.
        """
        mqtt = config.mqtt
        if not mqtt.enabled:
            return
        held = self.mqtt is not None and _spool(config) == _spool(self.config)
        check_files(tls=broker_access(mqtt)["tls"], event_spool=None if held else mqtt.events.spool)

    def _exchange_mqtt(self, config: Config) -> None:
        """The old connection ends first: two with one client id would throw each other out."""
        if self.mqtt is not None:
            if _place(config) == _place(self.config):
                self.mqtt.close()
            else:
                self.mqtt.retire()
        try:
            self.mqtt = self._open_mqtt(config, self._control)
        except EdgeFerError as error:
            raise LostPartError(f"the connection to the MQTT broker was closed for a reload: {error}") from error
        self.photographer = _photographer(config, self.mqtt)

    def _joined_sinks(self) -> Sinks:
        sinks: list[Sink] = []
        if self._output is not None:
            sinks.append(self._output(self.config))
        if self.mqtt is not None:
            sinks.append(self.mqtt)
        return Sinks(*sinks)


class BrokerAccess(TypedDict):
    """How to get into the broker, as `connect` and `try_broker` of `edge_fer.publish.mqtt` take it."""

    host: str
    port: int
    username: str | None
    password: str | None
    protocol: VersionChoice
    tls: Tls | None
    websocket_path: str | None


def broker_access(mqtt: MqttConfig) -> BrokerAccess:
    """The configured access."""
    tls = Tls(ca_file=mqtt.tls.ca_file, cert_file=mqtt.tls.cert_file, key_file=mqtt.tls.key_file)
    return BrokerAccess(
        host=mqtt.host,
        port=mqtt.port,
        username=mqtt.username,
        password=mqtt.password.get_secret_value() if mqtt.password is not None else None,
        protocol=mqtt.protocol,
        tls=tls if mqtt.tls.enabled else None,
        websocket_path=mqtt.websocket_path if mqtt.transport == "websockets" else None,
    )


def _photographer(config: Config, sink: MqttSink | None) -> Photographer | None:
    if sink is None or not config.mqtt.pictures:
        return None
    return Photographer(sink.picture, heartbeat_s=config.mqtt.heartbeat_s)


def _pipeline_part(config: Config) -> tuple[object, ...]:
    return config.detector, config.pace, config.tracking, config.model, config.threads, config.smoothing


def _connection_part(config: Config) -> tuple[object, ...]:
    """All but what a connection that stands can take over."""
    return config.device, config.mqtt.model_copy(update=dict.fromkeys(LIVE_SETTINGS))


def _place(config: Config) -> tuple[object, ...]:
    """Where the device's retained messages lie."""
    mqtt = config.mqtt
    prefix = mqtt.home_assistant.discovery_prefix
    return mqtt.enabled, mqtt.host, mqtt.port, mqtt.base_topic, config.device_name, prefix


def _spool(config: Config) -> Path | None:
    """Where events wait, whatever the configuration calls the place."""
    path = config.mqtt.events.spool
    return None if path is None else path.resolve()


def _digest(config: Config) -> str:
    """Of the effective configuration without its secrets, so that two devices can be compared."""
    return hashlib.sha256(json.dumps(masked(config), sort_keys=True).encode()).hexdigest()
