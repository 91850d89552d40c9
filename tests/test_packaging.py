"""What is built is what stands in the tree."""

import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from edge_fer import __version__

ROOT = Path(__file__).parents[1]
RENAMED = {
    "edge_fer": "edge_fer",
    "systemd": "edge_fer/systemd",
    "train": "edge_fer_train",
    "quantize": "edge_fer_quantize",
}


@pytest.fixture
def wheel(built_wheel: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(built_wheel)


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    in_tree = {
        "/".join((installed, *path.relative_to(ROOT / folder).parts))
        for folder, installed in RENAMED.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not {"__pycache__", "debian"} & set(path.parts)
    }
    in_wheel = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert in_wheel == in_tree


def test_the_daemon_alone_needs_no_tensorflow(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    needs = Parser().parsestr(wheel.read(name).decode()).get_all("Requires-Dist", [])
    always = {need for need in needs if "extra ==" not in need}
    assert {need.split(";")[0] for need in always} == {
        "ai-edge-litert>=2.1", "tflite-runtime>=2.14", "numpy>=1.24", "numpy<2",
        "opencv-python-headless<5,>=4.10", "paho-mqtt<3,>=2.2", "pydantic<3,>=2.7", "PyYAML>=6.0",
    }  # fmt: skip


def test_the_commands_exist(wheel: zipfile.ZipFile) -> None:
    [name] = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert wheel.read(name).decode().split() == [
        "[console_scripts]",
        "edge-fer", "=", "edge_fer.__main__:main",
        "edge-fer-quantize", "=", "edge_fer_quantize.__main__:main",
        "edge-fer-train", "=", "edge_fer_train.__main__:main",
    ]  # fmt: skip


def test_the_version_comes_from_the_package(wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).name == f"edge_fer-{__version__}-py3-none-any.whl"
