"""What the machine tells about this process and itself; absent answers are None, never guesses."""

import os
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
THERMAL: Final = Path("/sys/class/thermal/thermal_zone0/temp")


def resident_mb(proc: Path = PROC) -> float:
    """Resident memory of this process in MB (1e6 bytes), from proc(5)'s statm."""
    pages = int((proc / "self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def temperature_c(path: Path = THERMAL) -> float | None:
    """Temperature of the processor, as Linux' thermal class gives it; None where there is no sensor."""
    try:
        return int(path.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None


def model_name(proc: Path = PROC) -> str:
    """What board or processor this is, for people."""
    try:
        return (proc / "device-tree/model").read_text(encoding="utf-8").rstrip("\0\n")
    except OSError:
        pass
    lines = (proc / "cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else "unknown"
