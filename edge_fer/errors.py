"""What can go wrong in a way that a person can mend.

Every error here carries one sentence that names the file, line, key or device and what would be right; the
command line prints it without a traceback and exits with `exit_code`. Anything else is a bug and ends the
process with its traceback.
"""

from typing import ClassVar


class EdgeFerError(Exception):
    """A failure with a sentence for the person at the terminal."""

    exit_code: ClassVar[int] = 1


class ConfigError(EdgeFerError):
    """The configuration cannot be used; `problems` lists every reason, one line each."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class ModelError(EdgeFerError):
    """A model, its card or the runtime that should run it is not what it must be."""


class DetectorError(EdgeFerError):
    """A face detector cannot be had."""


class CameraError(EdgeFerError):
    """A camera or stream cannot be opened, or was lost."""


class DataError(EdgeFerError):
    """Pictures or labels cannot be used."""


class BrokerError(EdgeFerError):
    """An MQTT broker cannot be started."""


class DownloadError(EdgeFerError):
    """A file could not be downloaded whole and unchanged."""
