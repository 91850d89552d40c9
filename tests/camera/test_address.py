"""What a configured source means, and that no password survives in its name."""

from pathlib import Path

import pytest

from edge_fer.camera.address import Kind, parse_source, redact
from edge_fer.camera.source import UnusableSourceError


@pytest.mark.parametrize(
    ("source", "kind", "target"),
    [
        (0, Kind.V4L2, "/dev/video0"),
        ("2", Kind.V4L2, "/dev/video2"),
        ("/dev/v4l/by-id/usb-cam", Kind.V4L2, "/dev/v4l/by-id/usb-cam"),
        ("picamera2", Kind.PICAMERA2, "picamera2"),
        ("pattern", Kind.PATTERN, "pattern"),
        ("rtsp://cam/live", Kind.NETWORK, "rtsp://cam/live"),
        ("http://cam:81/stream", Kind.NETWORK, "http://cam:81/stream"),
    ],
)
def test_kinds(source: int | str, kind: Kind, target: str) -> None:
    address = parse_source(source)
    assert (address.kind, address.target) == (kind, target)


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "b.JPG").touch()
    assert parse_source(str(tmp_path)).kind is Kind.IMAGES
    assert parse_source(str(tmp_path / "b.JPG")).kind is Kind.IMAGES
    assert parse_source(str(tmp_path / "a.mp4")).kind is Kind.VIDEO


def test_what_does_not_exist_is_said_with_what_would_be_right() -> None:
    with pytest.raises(UnusableSourceError, match=r"'webcam' does not exist; right would be a camera's index.*pattern"):
        parse_source("webcam")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("rtsp://cam:554/live", "rtsp://cam:554/live"),
        ("rtsp://admin:hunter2@cam:554/live", "rtsp://cam:554/live"),
        ("rtsp://admin:hunt@er2@cam/live", "rtsp://cam/live"),
        ("rtsp://admin:hunt/er2@cam/live", "rtsp://cam/live"),
        ("rtsp://admin:hunt?er#2@cam/live", "rtsp://cam/live"),
        ("http://cam/videostream.cgi?user=admin&pwd=hunter2", "http://cam/videostream.cgi"),
        ("rtsp://cam/user=admin&password=hunter2&channel=1/x.sdp", "rtsp://cam/***/x.sdp"),
        ("HTTP://cam/live#hunter2", "http://cam/live"),
    ],
)
def test_a_name_holds_no_secret(url: str, name: str) -> None:
    assert redact(url) == name
    assert "hunt" not in name


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:hunter2@cam:port/x",
        "ftp://admin:hunter2@cam/x",
        "rtsp://admin:hunter2@/x",
        "rtsp://admin:hunter2@kitchen..local/x",
        f"rtsp://admin:hunter2@{64 * 'k'}.local/x",
    ],
)
def test_an_address_that_cannot_be_opened_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UnusableSourceError, match="right would be rtsp://host:port/path") as caught:
        parse_source(url)
    assert "hunter2" not in str(caught.value)


def test_the_target_is_not_in_the_representation() -> None:
    assert "hunter2" not in repr(parse_source("rtsp://admin:hunter2@cam/x"))
