from dataclasses import replace

import pytest

from edge_fer.camera import CameraState
from edge_fer.notify import Notifier
from edge_fer.publish.reports import LinkStats
from edge_fer.supervision import Supervision, Turn

ONLINE = CameraState(
    name="fake", details="", online=True, since_s=0.0, reconnects=0, dropped=0, error=None
)  # fmt: skip
LOST = replace(ONLINE, online=False, error="no such device")
OPENING = replace(ONLINE, online=False)
CONNECTED = LinkStats(
    connected=True, protocol="5", reconnects=0, queued=0, lost=0, events_lost=0, turned_s=0.0
)  # fmt: skip


class RecordingNotifier(Notifier):
    """Writes down what would be told; every meal counts."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.meals = 0

    def ready(self, status: str) -> None:
        self.heard.append(f"ready: {status}")

    def status(self, status: str) -> None:
        self.heard.append(status)

    def reloading(self, now_s: float) -> None:
        self.heard.append(f"reloading at {now_s}")

    def stopping(self) -> None:
        self.heard.append("stopping")

    def feed(self, now_s: float) -> None:
        self.meals += 1


class Stage:
    """A supervision whose turns differ from an ordinary one, with a frame, by what a test says."""

    def __init__(self) -> None:
        self.notifier = RecordingNotifier()
        self.fields: dict[str, str] = {}
        self.supervision = Supervision(self.notifier, 0.0, self.fields)

    def turn(
        self,
        now_s: float,
        *,
        framed: bool = True,
        faces: int = 1,
        paused: bool = False,
        camera: CameraState = ONLINE,
        link: LinkStats | None = None,
    ) -> bool:
        """Whether the watchdog was fed."""
        before = self.notifier.meals
        self.supervision.turn(now_s, Turn(framed, faces, paused, camera, 5.0, link))
        return self.notifier.meals > before


def test_ready_with_the_first_frame_once_the_network_thread_goes_round() -> None:
    stage = Stage()
    stage.turn(0.1, framed=False, camera=OPENING)
    stage.turn(0.2, link=replace(CONNECTED, turned_s=None))
    assert stage.notifier.heard == []
    stage.turn(0.3, link=CONNECTED)
    assert stage.notifier.heard == ["ready: starting"]


def test_ready_once_a_missing_camera_is_tried_again() -> None:
    stage = Stage()
    stage.turn(0.1, framed=False, camera=OPENING)
    stage.turn(0.2, framed=False, camera=LOST, link=replace(CONNECTED, connected=False))
    assert stage.notifier.heard == ["ready: camera lost: no such device, mqtt disconnected"]


def test_ready_after_ten_seconds_though_a_stream_still_opens() -> None:
    stage = Stage()
    stage.turn(9.9, framed=False, camera=OPENING)
    assert stage.notifier.heard == []
    stage.turn(10.0, framed=False, camera=OPENING)
    assert stage.notifier.heard == ["ready: camera opening"]


def test_the_status_tells_changes_every_five_seconds() -> None:
    stage = Stage()
    link = replace(CONNECTED, turned_s=None)
    stage.turn(0.0, link=CONNECTED)
    for frame in range(1, 151):
        stage.turn(frame / 10, link=replace(link, turned_s=frame / 10), faces=1 if frame < 120 else 2)
    stage.turn(20.0, framed=False, paused=True)
    assert stage.notifier.heard == [
        "ready: starting",
        "fps 10.0, 1 face, mqtt connected",
        "fps 10.0, 2 faces, mqtt connected",
        "paused",
    ]


def test_frames_pauses_and_lost_cameras_feed_the_watchdog() -> None:
    stage = Stage()
    assert stage.turn(0.0)
    assert stage.turn(100.0)
    assert stage.turn(200.0, framed=False, paused=True)
    assert stage.turn(300.0, framed=False, camera=LOST)
    assert stage.turn(400.0, framed=False, camera=OPENING)


def test_a_picture_that_waits_for_its_turn_feeds_the_watchdog_until_then() -> None:
    stage = Stage()
    slideshow = replace(ONLINE, due_s=60.0)
    assert stage.turn(0.0, camera=slideshow)
    assert stage.turn(30.0, framed=False, camera=slideshow)
    assert stage.turn(59.5, framed=False, camera=slideshow)
    assert stage.turn(69.5, framed=False, camera=slideshow)  # its turn has come: 5 s, and 5 s more
    assert not stage.turn(69.6, framed=False, camera=slideshow)


def test_a_camera_that_claims_to_be_well_and_gives_nothing_starves_it() -> None:
    stage = Stage()
    assert stage.turn(0.0)
    assert stage.turn(10.0, framed=False)  # the capture has its 5 s, and 5 s more to act on it
    assert not stage.turn(10.1, framed=False)
    assert not stage.turn(60.0, framed=False)
    assert stage.turn(60.1)


@pytest.mark.parametrize(("turned_s", "fed"), [(80.1, True), (80.0, False)])
def test_a_network_thread_that_hangs_starves_it(turned_s: float, fed: bool) -> None:
    stage = Stage()
    assert stage.turn(200.0, link=replace(CONNECTED, turned_s=turned_s)) is fed


def test_a_reload_is_told_from_its_beginning_to_its_end() -> None:
    stage = Stage()
    stage.supervision.reloading(0.1)  # not ready yet: systemd knows no such state
    stage.supervision.reloaded()
    stage.turn(0.2)
    stage.supervision.reloading(0.5)
    stage.supervision.reloaded()
    stage.supervision.stopping()
    assert stage.notifier.heard == ["ready: starting", "reloading at 0.5", "ready: starting", "stopping"]


def test_the_journal_is_told_what_to_note() -> None:
    stage = Stage()
    stage.supervision.name("kitchen")
    stage.turn(0.0, faces=3)
    assert stage.fields == {"EDGE_FER_DEVICE": "kitchen", "EDGE_FER_CAMERA": "fake", "EDGE_FER_TRACKS": "3"}
