"""What stands under `camera.source`: which kind of camera it means, and how to call it without its password."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from edge_fer.camera.source import UnusableSourceError

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})

_WHAT_IS_RIGHT = (
    "a camera's index, /dev/videoN, picamera2, an rtsp:// or http:// address, a video file, "
    "a folder of images, or pattern"
)
_SCHEMES = frozenset({"http", "https", "rtsp", "rtsps"})


class Kind(Enum):
    """The kinds of sources there are."""

    V4L2 = "v4l2"
    PICAMERA2 = "picamera2"
    NETWORK = "network"
    VIDEO = "video"
    IMAGES = "images"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Address:
    """Where the pictures come from.

    Attributes:
        kind: what opens it.
        name: for people, logs and topics; holds no password.
        target: the device, URL or path to open; a URL's may hold a password.
    """

    kind: Kind
    name: str
    target: str = field(repr=False)


def parse_source(source: int | str) -> Address:
    """Tell what a configured source means.

    Raises:
        UnusableSourceError: it is none of the kinds, or no such file.
    """
    text = str(source).strip()
    if text.isdecimal():
        return _address(Kind.V4L2, f"/dev/video{int(text)}")
    if text.startswith("/dev/"):
        return _address(Kind.V4L2, text)
    if text in (Kind.PICAMERA2.value, Kind.PATTERN.value):
        return _address(Kind(text), text)
    if "://" in text:
        return _network_address(text)
    path = Path(text).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES):
        return _address(Kind.IMAGES, str(path))
    if path.is_file():
        return _address(Kind.VIDEO, str(path))
    raise UnusableSourceError(f"camera source {text!r} does not exist; right would be {_WHAT_IS_RIGHT}")


def redact(url: str) -> str:
    """Leave of a URL what says which camera it is, without what could be a name, password or token.

    Cheap cameras take them in the query or even in the path (`/user=admin&password=…`), and people forget to
    percent-encode an @ or a / in a password: everything up to the last @ goes, and so does every `=` and what
    shares a path segment with it.
    """
    scheme, _, rest = url.partition("://")
    location = rest.rpartition("@")[2]
    for mark in "?#":
        location = location.partition(mark)[0]
    return f"{scheme.lower()}://" + "/".join("***" if "=" in part else part for part in location.split("/"))


def _address(kind: Kind, target: str) -> Address:
    return Address(kind, target, target)


def _network_address(url: str) -> Address:
    name = redact(url)
    try:
        parts = urlsplit(url)
        # As the look-up of a name does, which raises a UnicodeError for an empty or overlong part between two dots.
        host = (parts.hostname or "").encode("idna")
        usable = parts.scheme in _SCHEMES and bool(host) and parts.port != 0
    except ValueError:  # or a port that is no number, or half an IPv6 address
        usable = False
    if not usable:
        raise UnusableSourceError(
            f"camera source {name} is no address that can be opened; right would be rtsp://host:port/path or "
            "http://host:port/path (in a name or password, write @ as %40, : as %3A and / as %2F)"
        )
    return Address(Kind.NETWORK, name, url)
