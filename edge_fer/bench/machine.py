"""What Linux tells about machine and process, beyond `edge_fer.board`; absent answers are None, never guesses."""

import importlib.metadata
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2

from edge_fer import __version__, board, tflite
from edge_fer.bench.figures import Cpu, Heat, Machine

GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_IDLE_FIELDS: Final = (3, 4)
"""Of a core's line in /proc/stat: idle and waiting for a disk."""


@dataclass(frozen=True, slots=True)
class Load:
    """Counters at one moment; their differences are what counts.

    Attributes:
        time_ns: the moment, monotonic.
        process_ns: processor time of this process, all threads.
        busy: by core, ticks in which it worked.
        total: by core, all ticks.
    """

    time_ns: int
    process_ns: int
    busy: tuple[int, ...]
    total: tuple[int, ...]


def load_now(proc: Path = board.PROC) -> Load:
    """The counters of proc(5), now."""
    busy, total = [], []
    for line in (proc / "stat").read_text(encoding="ascii").splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(field) for field in fields[:8]]  # guests' time, beyond, is in user time already
            total.append(sum(ticks))
            busy.append(sum(ticks) - sum(ticks[field] for field in _IDLE_FIELDS))
    return Load(time.monotonic_ns(), time.process_time_ns(), tuple(busy), tuple(total))


def load_between(before: Load, after: Load) -> Cpu:
    """The load from one moment to a later one."""
    cores: tuple[float, ...] = ()
    if len(before.total) == len(after.total):  # none came or went
        cores = tuple(
            100 * (after.busy[core] - before.busy[core]) / max(after.total[core] - before.total[core], 1)
            for core in range(len(after.total))
        )
    spent_ns = max(after.time_ns - before.time_ns, 1)
    return Cpu(100 * (after.process_ns - before.process_ns) / spent_ns, cores)


def heat_now() -> Heat:
    """Temperature and throttling, now."""
    return Heat(board.temperature_c(), board.throttled())


def peak_resident_mb(proc: Path = board.PROC) -> float:
    """The most memory that was ever resident in this process, in MB (1e6 bytes): VmHWM of proc(5)."""
    for line in (proc / "self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return board.resident_mb(proc)


def process_age_s(proc: Path = board.PROC) -> float:
    """How long ago this process was started, in seconds; to a hundredth, as proc(5) counts."""
    uptime_s = float((proc / "uptime").read_text(encoding="ascii").split()[0])
    fields = (proc / "self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return uptime_s - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def describe(governor: Path = GOVERNOR) -> Machine:
    """What this machine is, and which libraries run on it."""
    others = ("numpy", "paho-mqtt", "pydantic")
    runtime, _, version = tflite.runtime_version().partition(" ")
    return Machine(
        kernel=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        governor=_line(governor),
        cores=len(os.sched_getaffinity(0)),
        memory_mb=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6,
        versions={
            "edge-fer": __version__,
            "Python": platform.python_version(),
            "OpenCV": cv2.__version__,
            runtime: version,
            **{name: importlib.metadata.version(name) for name in others},
        },
    )


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
