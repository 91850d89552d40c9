"""Cameras, streams, files and folders as one thing: something that hands out frames."""

from edge_fer.camera.capture import CameraState, Capture
from edge_fer.camera.opening import capture_from, open_source
from edge_fer.camera.source import EndOfStream, Picture, Source, UnusableSourceError

__all__ = [
    "CameraState",
    "Capture",
    "EndOfStream",
    "Picture",
    "Source",
    "UnusableSourceError",
    "capture_from",
    "open_source",
]
