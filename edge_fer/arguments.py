"""What may stand behind an option of the command line; else a sentence says what would be right.

Each raises argparse.ArgumentTypeError, whose text argparse shows behind the option's name.
"""

import argparse
import contextlib


def count(text: str) -> int:
    """A number of things, at least one."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """A number of things, perhaps none."""
    return _whole(text, 0)


def port(text: str) -> int:
    """A port to connect to."""
    return _whole(text, 1, 65535)


def threads(text: str) -> tuple[int, ...]:
    """Numbers of threads, as in 1,2,4."""
    return tuple(_whole(part, 1, 16) for part in text.split(","))


def names(text: str) -> tuple[str, ...]:
    """Names, as in a,b."""
    return tuple(text.split(","))


def faces(text: str) -> int:
    """A number of faces that the synthetic scene can hold."""
    return _whole(text, 0, 16)


def seconds(text: str, most_s: float = float("inf")) -> float:
    """Seconds, more than none.

    Raises:
        argparse.ArgumentTypeError: it is no such number.
    """
    with contextlib.suppress(ValueError):
        number = float(text)
        if 0 < number <= most_s:
            return number
    right = f"a number above 0{'' if most_s == float('inf') else f' up to {most_s:g}'}"
    raise argparse.ArgumentTypeError(f"{text!r} is not right; give {right}")


def window(text: str) -> float:
    """Seconds to measure, a day at most."""
    return seconds(text, 86400)


def _whole(text: str, low: int, high: int | None = None) -> int:
    """A whole number within bounds.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    with contextlib.suppress(ValueError):
        number = int(text)
        if low <= number and (high is None or number <= high):
            return number
    right = f"a whole number from {low} up{'' if high is None else f' to {high}'}"
    raise argparse.ArgumentTypeError(f"{text!r} is not right; give {right}")
