import re
from pathlib import Path

import pytest

from edge_fer.bench.figures import Cpu
from edge_fer.bench.machine import Load, describe, load_between, load_now, peak_resident_mb, process_age_s

STAT = """\
cpu  300 0 200 5000 100 0 50 0 40 0
cpu0 100 10 100 700 50 5 30 5 40 0
cpu1 200 0 100 300 0 0 0 0 0 0
intr 12345
"""


def test_busy_is_all_but_idle_and_waiting_for_a_disk(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT)
    load = load_now(tmp_path)
    assert (load.busy, load.total) == ((250, 300), (1000, 600))


def test_load_is_the_difference() -> None:
    before = Load(1_000_000_000, 500_000_000, busy=(100, 0), total=(1000, 1000))
    after = Load(3_000_000_000, 3_500_000_000, busy=(150, 200), total=(1200, 1200))
    assert load_between(before, after) == Cpu(process=150.0, cores=(25.0, 100.0))


def test_a_core_that_came_meanwhile_leaves_the_cores_unknown() -> None:
    before = Load(0, 0, busy=(1,), total=(2,))
    after = Load(1_000, 500, busy=(1, 1), total=(2, 2))
    assert load_between(before, after) == Cpu(process=50.0, cores=())


def test_the_peak_is_the_kernels_high_water_mark(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tpython\nVmHWM:\t  100000 kB\nVmRSS:\t   50000 kB\n")
    assert peak_resident_mb(tmp_path) == 102.4


def test_a_process_is_as_old_as_the_kernel_says(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    fields = ["S", *["0"] * 18, "12000", "0"]  # the 22nd is the start in ticks of 10 ms
    (tmp_path / "self/stat").write_text(f"42 (a (b) c) {' '.join(fields)}\n")
    (tmp_path / "uptime").write_text("125.50 400.00\n")
    assert process_age_s(tmp_path) == 5.5


@pytest.mark.parametrize(("content", "governor"), [("performance\n", "performance"), (None, None)])
def test_the_machine_is_described(tmp_path: Path, content: str | None, governor: str | None) -> None:
    path = tmp_path / "scaling_governor"
    if content is not None:
        path.write_text(content)
    machine = describe(path)
    assert machine.governor == governor
    assert re.fullmatch(r"\d+\.\d+.*", machine.versions["OpenCV"])
    assert list(machine.versions)[:3] == ["edge-fer", "Python", "OpenCV"]
