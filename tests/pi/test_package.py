"""The arm64 package, installed in the emulated Debian that built it, works as on this machine.

`make test-deb-arm64` builds what the folder EDGE_FER_DEB_ARM64 holds and runs this, as root.
"""

import io
import os
import shutil
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from edge_fer import __version__
from tests.conftest import DATA, require
from tests.pi.test_board import here, json_lines, same

pytestmark = pytest.mark.deb_arm64

AARCH64 = 183
"""The machine in an ELF file's head."""


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where the package lies, beside the root that it was built in."""
    return Path(os.environ["EDGE_FER_DEB_ARM64"])


@pytest.fixture(scope="module")
def package(folder: Path) -> Path:
    [path] = folder.glob("*.deb")
    return path


@pytest.fixture(scope="module")
def pictures(portrait: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a portrait and, where they are, photos of several people."""
    made = tmp_path_factory.mktemp("pictures")
    for path in (portrait, *(DATA / "photos").glob("*.jp*g")):
        shutil.copy(path, made)
    return made


@pytest.fixture(scope="module")
def seen(folder: Path, package: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was seen when it was installed, run and purged, each in a file."""
    told = tmp_path_factory.mktemp("told")
    script = Path(__file__).with_name("package")
    done = subprocess.run(
        [script, folder / "root", package, pictures, told], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + "".join(path.read_text() for path in told.iterdir())
    return told


def test_it_is_for_arm64_and_all_in_it_is(package: Path) -> None:
    control = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
    assert "Architecture: arm64\n" in control
    assert package.name.endswith("_arm64.deb")
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True).stdout
    machines = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None and (head := file.read(20))[:4] == b"\x7fELF":
                machines[member.name] = struct.unpack("<18xH", head)[0]
    assert {name for name, machine in machines.items() if machine != AARCH64} == set()
    for library in ("cv2/cv2.abi3.so", "_pywrap_litert_interpreter_wrapper.so", "_pydantic_core."):
        assert any(library in name for name in machines), library


def test_debian_finds_nothing_wrong_with_it(package: Path) -> None:
    lintian = [require("lintian"), "--allow-root", "--fail-on=error,warning", str(package)]
    told = subprocess.run(lintian, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


def test_it_judges_pictures_as_here(seen: Path, pictures: Path) -> None:
    assert (seen / "version").read_text() == f"edge-fer {__version__}\n"
    ours, theirs = json_lines(here("predict", pictures, "--json")), json_lines((seen / "predict").read_text())
    assert all(same(one, other) for one, other in zip(ours, theirs, strict=True))
    emotions = {Path(picture["source"]).stem: [face["emotion"] for face in picture["faces"]] for picture in theirs}
    assert emotions["grace_hopper"] == ["neutral"]


def test_its_configuration_is_for_the_daemon_and_root_alone(seen: Path) -> None:
    assert (seen / "config").read_text() == "root:edge-fer 640\n"


def test_purged_it_leaves_nothing(seen: Path) -> None:
    before, after = ((seen / name).read_text().splitlines() for name in ("before", "after"))
    assert [path for path in after if path not in before and not path.endswith("-")] == []
