"""Where a run came from: source revision, package versions, device."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras

_PACKAGES = ("edge-fer", "keras", "tensorflow", "jax", "torch", "numpy", "scikit-learn", "opencv-python-headless")


def provenance() -> dict[str, Any]:
    """Git revision, versions of the packages that are installed, Keras' backend, and the machine."""
    return {
        "git_revision": _git_revision(Path(__file__).parent),
        "versions": {"python": platform.python_version()} | dict(filter(None, map(_version, _PACKAGES))),
        "backend": keras.backend.backend(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _version(package: str) -> tuple[str, str] | None:
    try:
        return package, version(package)
    except PackageNotFoundError:
        return None


def _git_revision(folder: Path) -> str | None:
    """Commit of the source tree, with -dirty behind it where files differ; None outside a git tree."""
    command = ["git", "-C", str(folder), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
