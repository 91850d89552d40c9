"""Model files that are too large or too foreign to ship, fetched once by `edge-fer models pull`.

A file is trusted for its size and SHA-256 alone, wherever it came from.
"""

import contextlib
import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from edge_fer.errors import DownloadError

CHUNK_BYTES: Final = 1 << 16
TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A file that can be fetched: where it lies, what it must be, and on which terms."""

    name: str
    file_name: str
    url: str
    size: int
    sha256: str
    licence: str


YUNET: Final = ModelFile(
    name="yunet",
    file_name="face_detection_yunet_2023mar.onnx",
    url="https://github.com/opencv/opencv_zoo/raw/82b38c8f98e7b52aa171400f3e4c722352d0669f/models/face_detection_yunet/"
    "face_detection_yunet_2023mar.onnx",
    size=232589,
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    licence="MIT",
)

MODEL_FILES: Final = (YUNET,)


def models_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where fetched files live.

    `$EDGE_FER_MODELS`, else `models` in systemd's `$STATE_DIRECTORY`, else the user's data folder
    (`$XDG_DATA_HOME/edge-fer/models`, XDG Base Directory Specification).
    """
    if "EDGE_FER_MODELS" in environ:
        return Path(environ["EDGE_FER_MODELS"])
    if "STATE_DIRECTORY" in environ:
        return Path(environ["STATE_DIRECTORY"].split(":")[0], "models")
    data_home = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME", "/"), ".local", "share")
    return Path(data_home, "edge-fer", "models")


def installed_path(model: ModelFile, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the file is, or would be once fetched."""
    return models_folder(environ) / model.file_name


def problem_with(model: ModelFile, path: Path) -> str | None:
    """What is wrong with a fetched file, in one sentence; None when it is what it must be."""
    if not path.is_file():
        return f"{path}: there is no such file; `edge-fer models pull` fetches it"
    size = path.stat().st_size
    if size != model.size:
        return f"{path}: {size} bytes where {model.size} are right; `edge-fer models pull` fetches it anew"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != model.sha256:
        return f"{path}: sha256 {digest} is not {model.sha256}; `edge-fer models pull` fetches it anew"
    return None


def pull(
    model: ModelFile,
    target: Path,
    *,
    url: str | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fetch a file, going on where an earlier attempt broke off.

    The bytes gather in `target` + `.part`; only a whole and right file is renamed to `target`.

    Args:
        model: what to fetch.
        target: where to put it.
        url: another place to fetch it from.
        progress: called with bytes done and bytes in all.

    Raises:
        DownloadError: not found, refused, broken off, or not the file that was asked for.
    """
    url = url or model.url
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if part.exists() and part.stat().st_size >= model.size:
            part.unlink()
        _fetch(model, url, part, progress)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{url}: the server answers {error.code} {error.reason}; nothing was changed") from None
    except urllib.error.URLError as error:
        raise DownloadError(f"{url}: cannot be reached: {error.reason}; is this machine online?") from None
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise DownloadError(f"{url}: broken off: {error!r}; run the command again, it goes on from there") from None
    except OSError as error:
        raise DownloadError(f"{part}: cannot be written: {error.strerror}; free space or set EDGE_FER_MODELS") from None
    size = part.stat().st_size
    if size < model.size:
        raise DownloadError(f"{url}: broken off after {size} of {model.size} bytes; run the command again, it goes on")
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    if size > model.size or digest != model.sha256:
        part.unlink()
        raise DownloadError(f"{url}: got sha256 {digest} where {model.sha256} is right; the file was thrown away")
    part.replace(target)


def _fetch(model: ModelFile, url: str, part: Path, progress: Callable[[int, int], None]) -> None:
    """Append to `part` what it lacks; the server may also send the whole file again."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 - our URL
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        resumes = response.status == http.HTTPStatus.PARTIAL_CONTENT
        with part.open("ab" if resumes else "wb") as file, contextlib.closing(response):
            done = file.tell()
            while done <= model.size and (chunk := response.read(CHUNK_BYTES)):
                file.write(chunk)
                done += len(chunk)
                progress(min(done, model.size), model.size)
            file.flush()
            os.fsync(file.fileno())


def run_models(action: str, out: TextIO) -> int:
    """`edge-fer models pull|list|verify`.

    Raises:
        DownloadError: `pull` failed.
    """
    wrong = 0
    for model in MODEL_FILES:
        target = installed_path(model)
        problem = problem_with(model, target)
        if action == "pull" and problem is not None:
            pull(model, target, progress=_Progress(model, out))
            problem = None
        wrong += problem is not None
        match action:
            case "list":
                state = "installed" if problem is None else "not installed"
                print(f"{model.name}\t{model.size} bytes\t{model.licence}\t{state}\t{target}", file=out)
            case "verify" if problem is not None:
                print(problem, file=out)
            case _:
                print(f"{target}: whole and unchanged", file=out)
    return 1 if wrong and action == "verify" else 0


class _Progress:
    """A line that grows on a terminal; elsewhere nothing until the end."""

    def __init__(self, model: ModelFile, out: TextIO) -> None:
        self._name = model.name
        self._out = out

    def __call__(self, done: int, total: int) -> None:
        if self._out.isatty():
            end = "\n" if done == total else ""
            print(f"\r{self._name}: {done * 100 // total:3d} % of {total} bytes", end=end, flush=True, file=self._out)
