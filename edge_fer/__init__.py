"""Facial emotion recognition on the edge: camera frames in, smoothed emotions out over MQTT."""

__version__ = "0.1.0"
