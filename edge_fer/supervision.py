"""What systemd and the journal see of the daemon: ready, alive, and how it does."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from edge_fer.camera import CameraState
from edge_fer.notify import Notifier
from edge_fer.publish.reports import LinkStats

READY_WITHIN_S: Final = 10.0
"""A camera that neither gave a picture nor failed by then is being retried all the same: the daemon stands."""

STATUS_EVERY_S: Final = 5.0
"""The status line changes at most so often."""

SLACK_S: Final = 5.0
"""Beyond `camera.stall_timeout_s`, after which the capture itself should have given a silent camera up."""

NETWORK_PATIENCE_S: Final = 120.0
"""The MQTT thread goes round every second; to look up a name without a network may take a minute and more."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of the daemon's loop came to.

    Attributes:
        framed: whether a frame was processed.
        faces: how many are in view.
        paused: whether the camera is released on request.
        camera: how it is.
        stall_timeout_s: how long a camera that is online may give no frame.
        link: how the connection to the broker is; None: there is to be none.
    """

    framed: bool
    faces: int
    paused: bool
    camera: CameraState
    stall_timeout_s: float
    link: LinkStats | None


class Supervision:
    """Feeds the watchdog by progress alone, and says when the daemon is ready and how it does.

    Progress is a frame that was processed, one that waits for its turn, or an outage that is being handled: paused, or
    a lost camera that is tried again. A loop that hangs in a detector, a network or a driver makes none, and neither
    does one whose camera claims to be well and gives nothing, or whose MQTT thread no longer goes round.

    Args:
        notifier: tells systemd.
        now_s: seconds of the monotonic clock, as everywhere here.
        fields: what the journal notes with every line, kept up to date.
    """

    def __init__(self, notifier: Notifier, now_s: float, fields: MutableMapping[str, str] | None = None) -> None:
        self._notifier = notifier
        self._fields = {} if fields is None else fields
        self._ready = False
        self._ready_by_s = now_s + READY_WITHIN_S
        self._worked_s = now_s
        self._status = ""
        self._status_s = now_s
        self._frames = 0

    def name(self, device: str) -> None:
        """Which device this is, from now on."""
        self._fields["EDGE_FER_DEVICE"] = device

    def turn(self, now_s: float, turn: Turn) -> None:
        """Take note of one turn of the loop, and tell what is due."""
        self._frames += turn.framed
        self._fields["EDGE_FER_CAMERA"] = turn.camera.name
        self._fields["EDGE_FER_TRACKS"] = str(turn.faces)
        if turn.framed or turn.paused or not turn.camera.online or now_s < turn.camera.due_s:
            self._worked_s = now_s
        if now_s - self._worked_s <= turn.stall_timeout_s + SLACK_S and _is_network_alive(now_s, turn.link):
            self._notifier.feed(now_s)
        if not self._ready:
            begun = turn.framed or turn.paused or turn.camera.error is not None or now_s >= self._ready_by_s
            if begun and (turn.link is None or turn.link.turned_s is not None):
                self._ready = True
                self._status = "starting" if turn.framed else _describe(turn, fps=0.0)
                self._status_s, self._frames = now_s, 0
                self._notifier.ready(self._status)
        elif now_s - self._status_s >= STATUS_EVERY_S:
            status = _describe(turn, fps=self._frames / (now_s - self._status_s))
            self._status_s, self._frames = now_s, 0
            if status != self._status:
                self._status = status
                self._notifier.status(status)

    def reloading(self, now_s: float) -> None:
        """The configuration is being read anew; `reloaded` must follow, whatever comes of it."""
        if self._ready:
            self._notifier.reloading(now_s)

    def reloaded(self) -> None:
        """The daemon goes on, with the new configuration or the old one."""
        if self._ready:
            self._notifier.ready(self._status)

    def stopping(self) -> None:
        """The daemon takes its leave."""
        self._notifier.stopping()


def _is_network_alive(now_s: float, link: LinkStats | None) -> bool:
    return link is None or link.turned_s is None or now_s - link.turned_s < NETWORK_PATIENCE_S


def _describe(turn: Turn, *, fps: float) -> str:
    if turn.paused:
        sight = "paused"
    elif not turn.camera.online:
        sight = f"camera lost: {turn.camera.error}" if turn.camera.error else "camera opening"
    else:
        sight = f"fps {fps:.1f}, {turn.faces} face{'' if turn.faces == 1 else 's'}"
    if turn.link is None:
        return sight
    return f"{sight}, mqtt {'connected' if turn.link.connected else 'disconnected'}"
