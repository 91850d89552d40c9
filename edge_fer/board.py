"""What the machine tells about this process and itself; absent answers are None, never guesses."""

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
SYS: Final = Path("/sys")
THERMAL: Final = SYS / "class/thermal/thermal_zone0/temp"
MAILBOX: Final = Path("/dev/vcio")
"""A Raspberry Pi's way to its firmware; the service's sandbox keeps it closed, since it can do far more than answer."""

PI_LIMIT_C: Final = 80.0
"""From here on a Raspberry Pi's firmware slows its cores (Raspberry Pi documentation, "Frequency management")."""

UNDER_VOLTAGE: Final = 1 << 0
SLOWED: Final = 1 << 1 | 1 << 2 | 1 << 3
"""Bits of the firmware's GET_THROTTLED: frequency capped, throttled, soft temperature limit."""


@dataclass(frozen=True, slots=True)
class Strain:
    """What keeps the board from its full speed.

    Attributes:
        temperature_c: of the processor.
        limit_c: from this temperature on the board slows itself down.
        throttled: whether it is slowed down now, by heat or low voltage.
        under_voltage: whether its supply is too weak now.
    """

    temperature_c: float | None
    limit_c: float | None
    throttled: bool | None
    under_voltage: bool | None


def resident_mb(proc: Path = PROC) -> float:
    """Resident memory of this process in MB (1e6 bytes), from proc(5)'s statm."""
    pages = int((proc / "self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def temperature_c(path: Path = THERMAL) -> float | None:
    """Temperature of the processor, as Linux' thermal class gives it; None where there is no sensor."""
    value = _number(path)
    return None if value is None else value / 1000


def model_name(proc: Path = PROC) -> str:
    """What board or processor this is, for people."""
    try:
        return (proc / "device-tree/model").read_text(encoding="utf-8").rstrip("\0\n")
    except OSError:
        pass
    lines = (proc / "cpuinfo").read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else "unknown"


def firmware_flags(mailbox: Path = MAILBOX) -> int | None:
    """What `vcgencmd get_throttled` prints, from a Raspberry Pi's firmware; None elsewhere, or where it is closed.

    One property message, GET_THROTTLED (0x00030046), as the firmware's mailbox interface is described in the Raspberry
    Pi firmware wiki.
    """
    request = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8  # _IOWR(100, 0, char *)
    message = bytearray(struct.pack("=7I", 28, 0, 0x00030046, 4, 0, 0, 0))
    try:
        handle = os.open(mailbox, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.ioctl(handle, request, message)
    except OSError:
        return None
    finally:
        os.close(handle)
    _, code, _, _, _, flags, _ = struct.unpack("=7I", message)
    return flags if code == 0x80000000 else None


def strain(*, sys: Path = SYS, proc: Path = PROC, flags: Callable[[], int | None] = firmware_flags) -> Strain:
    """How hot, slowed and short of voltage the board is.

    By the firmware where it answers; else by the kernel's sensors: hwmon for the voltage, the cooling devices of the
    processor for its speed, and on a Raspberry Pi, whose firmware slows it behind the kernel's back, the temperature.
    """
    temperature = temperature_c(sys / "class/thermal/thermal_zone0/temp")
    is_pi = model_name(proc).startswith("Raspberry Pi")
    limit = PI_LIMIT_C if is_pi else None
    word = flags()
    if word is not None:
        return Strain(temperature, limit, bool(word & SLOWED), bool(word & UNDER_VOLTAGE))
    low = _under_voltage(sys)
    slowed = _slowed_by_kernel(sys)
    if is_pi and temperature is not None:
        slowed = bool(slowed) or bool(low) or temperature >= PI_LIMIT_C
    return Strain(temperature, limit, slowed, low)


def throttled() -> bool | None:
    """Whether the board is slowed down by heat or low voltage now."""
    return strain().throttled


def under_voltage() -> bool | None:
    """Whether the board's supply is too weak now."""
    return strain().under_voltage


def _under_voltage(sys: Path) -> bool | None:
    """By the Raspberry Pi's voltage sensor of the class hwmon."""
    for sensor in sys.glob("class/hwmon/hwmon*"):
        if _text(sensor / "name") == "rpi_volt":
            alarm = _number(sensor / "in0_lcrit_alarm")
            return None if alarm is None else bool(alarm)
    return None


def _slowed_by_kernel(sys: Path) -> bool | None:
    """By the cooling devices that are the processor itself: they cool by slowing down."""
    states = [
        _number(device / "cur_state")
        for device in sys.glob("class/thermal/cooling_device*")
        if (_text(device / "type") or "").startswith(("cpufreq", "thermal-cpufreq", "Processor"))
    ]
    known = [state for state in states if state is not None]
    return any(known) if known else None


def _text(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").strip()
    return None


def _number(path: Path) -> int | None:
    with contextlib.suppress(ValueError):
        return int(_text(path) or "")
    return None
