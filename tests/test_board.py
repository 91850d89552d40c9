import os
from pathlib import Path

import pytest

from edge_fer.board import Strain, firmware_flags, model_name, resident_mb, strain, temperature_c


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    return tmp_path / "sys"


@pytest.fixture
def pi(tmp_path: Path) -> Path:
    """A Raspberry Pi's /proc."""
    write(tmp_path / "proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0")
    return tmp_path / "proc"


@pytest.fixture
def laptop(tmp_path: Path) -> Path:
    """Another machine's /proc."""
    write(tmp_path / "proc/cpuinfo", "model name\t: Fast CPU\n")
    return tmp_path / "proc"


def mute() -> None:
    """The firmware where there is none."""


def test_resident_memory_is_counted_in_pages(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/statm").write_text("9000 2500 100 1 0 500 0\n")
    assert resident_mb(tmp_path) == 2500 * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_temperature_is_read_where_there_is_a_sensor(tmp_path: Path) -> None:
    sensor = tmp_path / "temp"
    assert temperature_c(sensor) is None
    sensor.write_text("48312\n")
    assert temperature_c(sensor) == 48.312
    sensor.write_text("N/A\n")
    assert temperature_c(sensor) is None


def test_a_board_is_named_by_its_device_tree_or_its_processor(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor: 0\nmodel name\t: Fast CPU\n\nprocessor: 1\nmodel name\t: Fast CPU\n")
    assert model_name(tmp_path) == "Fast CPU, 2 cores"
    (tmp_path / "device-tree").mkdir()
    (tmp_path / "device-tree/model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert model_name(tmp_path) == "Raspberry Pi 4 Model B Rev 1.4"
    (tmp_path / "cpuinfo").write_text("BogoMIPS: 1\n")
    (tmp_path / "device-tree/model").unlink()
    assert model_name(tmp_path) == "unknown"


def test_a_machine_without_any_sensor_says_nothing(sys: Path, laptop: Path) -> None:
    assert strain(sys=sys, proc=laptop, flags=mute) == Strain(None, None, None, None)


@pytest.mark.parametrize(
    ("word", "throttled", "under_voltage"),
    [
        (0x0, False, False),
        (0x50000, False, False),  # it was, once
        (0x50005, True, True),
        (0x1, False, True),
        (0x2, True, False),
        (0x8, True, False),
    ],
)
def test_a_pis_firmware_has_the_first_word(
    word: int, throttled: bool, under_voltage: bool, sys: Path, pi: Path
) -> None:
    write(sys / "class/thermal/thermal_zone0/temp", "85000\n")
    assert strain(sys=sys, proc=pi, flags=lambda: word) == Strain(85.0, 80.0, throttled, under_voltage)


@pytest.mark.parametrize(
    ("millidegrees", "alarm", "expected"),
    [("79999", "0", (False, False)), ("80000", "0", (True, False)), ("50000", "1", (True, True))],
)
def test_without_it_a_pi_is_judged_by_heat_and_its_voltage_sensor(
    millidegrees: str, alarm: str, expected: tuple[bool, bool], sys: Path, pi: Path
) -> None:
    write(sys / "class/thermal/thermal_zone0/temp", millidegrees)
    write(sys / "class/hwmon/hwmon0/name", "cpu_thermal\n")
    write(sys / "class/hwmon/hwmon1/name", "rpi_volt\n")
    write(sys / "class/hwmon/hwmon1/in0_lcrit_alarm", f"{alarm}\n")
    seen = strain(sys=sys, proc=pi, flags=mute)
    assert (seen.throttled, seen.under_voltage) == expected


@pytest.mark.parametrize(("state", "throttled"), [("0", False), ("2", True)])
def test_elsewhere_the_kernel_says_whether_it_slows_the_processor(
    state: str, throttled: bool, sys: Path, laptop: Path
) -> None:
    write(sys / "class/thermal/thermal_zone0/temp", "99000\n")
    for number, (kind, now) in enumerate((("Fan", "5"), ("Processor", "0"), ("thermal-cpufreq-0", state))):
        write(sys / f"class/thermal/cooling_device{number}/type", f"{kind}\n")
        write(sys / f"class/thermal/cooling_device{number}/cur_state", f"{now}\n")
    assert strain(sys=sys, proc=laptop, flags=mute) == Strain(99.0, None, throttled, None)


def test_what_is_no_mailbox_gives_no_flags(tmp_path: Path) -> None:
    assert firmware_flags(tmp_path / "vcio") is None
    write(tmp_path / "vcio", "a file that knows no such call")
    assert firmware_flags(tmp_path / "vcio") is None
