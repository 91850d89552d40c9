"""From the configuration to an open source, or to a capture that opens it and keeps it open."""

from typing import TYPE_CHECKING

from edge_fer.camera.address import Kind, parse_source
from edge_fer.camera.capture import Capture
from edge_fer.camera.source import Source

if TYPE_CHECKING:
    from edge_fer.config import CameraConfig


def open_source(settings: "CameraConfig") -> Source:
    """Open the configured source, once.

    Raises:
        CameraError: it cannot be opened now.
        UnusableSourceError: nor ever, as configured.
    """
    address = parse_source(settings.source)
    match address.kind:
        case Kind.V4L2:
            from edge_fer.camera.v4l2 import V4L2Camera  # noqa: PLC0415 - OpenCV, only when a source is opened

            return V4L2Camera(
                address.target,
                width=settings.width,
                height=settings.height,
                fps=settings.fps,
                read_timeout_s=settings.stall_timeout_s,
            )
        case Kind.PICAMERA2:
            from edge_fer.camera.picamera2 import PiCamera  # noqa: PLC0415

            return PiCamera(
                width=settings.width,
                height=settings.height,
                fps=settings.fps,
                read_timeout_s=settings.stall_timeout_s,
            )
        case Kind.NETWORK:
            from edge_fer.camera.network import NetworkStream  # noqa: PLC0415

            return NetworkStream(
                address.target,
                name=address.name,
                open_timeout_s=settings.open_timeout_s,
                read_timeout_s=settings.stall_timeout_s,
            )
        case Kind.VIDEO:
            from edge_fer.camera.video import VideoFile  # noqa: PLC0415

            return VideoFile(address.target, loop=settings.loop)
        case Kind.IMAGES:
            from edge_fer.camera.images import Images  # noqa: PLC0415

            return Images(address.target, loop=settings.loop, fps=settings.fps)
        case Kind.PATTERN:
            from edge_fer.camera.pattern import Pattern  # noqa: PLC0415

            return Pattern(width=settings.width, height=settings.height, fps=settings.fps)


def capture_from(settings: "CameraConfig") -> Capture:
    """The capture of the configured source; opens nothing yet.

    Raises:
        UnusableSourceError: the source is misspelt, or no such file.
    """
    address = parse_source(settings.source)
    lossless = not settings.realtime and address.kind in (Kind.VIDEO, Kind.IMAGES, Kind.PATTERN)
    return Capture(
        lambda: open_source(settings),
        name=address.name,
        live=not lossless,
        open_timeout_s=settings.open_timeout_s,
        stall_timeout_s=settings.stall_timeout_s,
    )
