import os
from pathlib import Path

from edge_fer.board import model_name, resident_mb, temperature_c


def test_resident_memory_is_counted_in_pages(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/statm").write_text("9000 2500 100 1 0 500 0\n")
    assert resident_mb(tmp_path) == 2500 * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_temperature_is_read_where_there_is_a_sensor(tmp_path: Path) -> None:
    sensor = tmp_path / "temp"
    assert temperature_c(sensor) is None
    sensor.write_text("48312\n")
    assert temperature_c(sensor) == 48.312


def test_a_board_is_named_by_its_device_tree_or_its_processor(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor: 0\nmodel name\t: Fast CPU\n\nprocessor: 1\nmodel name\t: Fast CPU\n")
    assert model_name(tmp_path) == "Fast CPU, 2 cores"
    (tmp_path / "device-tree").mkdir()
    (tmp_path / "device-tree/model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert model_name(tmp_path) == "Raspberry Pi 4 Model B Rev 1.4"
    (tmp_path / "cpuinfo").write_text("BogoMIPS: 1\n")
    (tmp_path / "device-tree/model").unlink()
    assert model_name(tmp_path) == "unknown"
