"""A video file, or an animated GIF."""

from pathlib import Path

import cv2

from edge_fer.camera.opencv import VideoDevice, fourcc_name, is_utf8, open_device, picture_of
from edge_fer.camera.source import EndOfStream, Picture, UnusableSourceError

_FALLBACK_FPS = 30.0
_TEXT = "ansi"  # FFmpeg draws a .txt, and its like, as a terminal would


class VideoFile:
    """The pictures of a video file as fast as they can be decoded; who wants real time waits until each is due.

    Args:
        path: anything that FFmpeg reads.
        loop: begin again after the last picture; the time line goes on.

    Raises:
        UnusableSourceError: the file is missing, empty, or no video.
    """

    def __init__(self, path: str | Path, *, loop: bool = False) -> None:
        self.name = str(path)
        self._loop = loop
        self._device = self._open()
        rate = self._device.get(cv2.CAP_PROP_FPS)
        # Containers without a rate report 0, or their time base (90000).
        self._period_s = 1 / (rate if 0 < rate <= 1000 else _FALLBACK_FPS)
        width, height = (int(self._device.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        codec = fourcc_name(self._device.get(cv2.CAP_PROP_FOURCC))
        self.details = f"{width}x{height} {codec} {1 / self._period_s:.4g} fps"
        self._loop_began_s = 0.0
        self._position_s: float | None = None

    def read(self) -> Picture:
        """Decode the next picture.

        Raises:
            EndOfStream: the file is over.
            UnusableSourceError: it holds not one picture that can be decoded.
        """
        read, bgr = self._device.read()
        if not read:
            if self._position_s is None:
                raise UnusableSourceError(f"the video {self.name} is damaged: no picture in it can be decoded")
            if not self._loop:
                raise EndOfStream
            self._rewind(self._position_s + self._period_s)
            read, bgr = self._device.read()
            if not read:
                raise UnusableSourceError(f"the video {self.name} cannot be read any more")
        position_s = self._loop_began_s + self._device.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self._position_s is not None and position_s <= self._position_s:
            position_s = self._position_s + self._period_s  # a container without timestamps
        self._position_s = position_s
        return picture_of(bgr, position_s)

    def close(self) -> None:
        """Close the file."""
        self._device.release()

    def _open(self) -> VideoDevice:
        path = Path(self.name)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise UnusableSourceError(f"the video {self.name} cannot be opened: {error.strerror}") from error
        if size == 0:
            raise UnusableSourceError(f"the video {self.name} is empty (0 bytes)")
        # An absolute path, or FFmpeg takes a file called `http:x` for an address.
        target = str(path.absolute())
        if not is_utf8(target):
            raise UnusableSourceError(f"the video's name {target!r} is no UTF-8, which OpenCV needs; rename it")
        device = open_device(target, cv2.CAP_FFMPEG)
        if not device.isOpened():
            device.release()
            raise UnusableSourceError(f"{self.name} is no video that FFmpeg can read, or it is damaged")
        if fourcc_name(device.get(cv2.CAP_PROP_FOURCC)) == _TEXT:
            device.release()
            raise UnusableSourceError(f"{self.name} is text, no video")
        return device

    def _rewind(self, began_s: float) -> None:
        # Opened anew, because not every format can seek (GIF cannot).
        self._device.release()
        self._device = self._open()
        self._loop_began_s = began_s
