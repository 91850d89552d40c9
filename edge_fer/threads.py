"""How many CPU threads suit detector and classifier on this machine: measured, not guessed.

More are not always faster: small networks are soon done, cores share a bus, and other programs want some, too.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

CANDIDATES: Final = (1, 2, 4)
WORTH: Final = 0.10
"""Share of the time that more threads must save: they keep more cores awake, and the board warmer."""
ROUNDS: Final = 3
REPEATS: Final = 4

Work: TypeAlias = Callable[[], object]


def candidates(configured: int, *, cores: int) -> list[int]:
    """The numbers of threads to try: as far as there are cores, and the configured one in any case."""
    return sorted({count for count in CANDIDATES if count <= cores} | {configured})


def measure_threads(
    counts: Sequence[int], open_work: Callable[[int], Work], clock_ns: Callable[[], int] = time.perf_counter_ns
) -> dict[int, float]:
    """Time the same work with each number of threads, in turns, so that a disturbance hits them all.

    Args:
        counts: numbers of threads.
        open_work: makes the work for so many threads; its first run warms up.
        clock_ns: monotonic nanoseconds.

    Returns:
        by number of threads, the median in milliseconds.
    """
    spent_ns: dict[int, list[int]] = {count: [] for count in counts}
    for _ in range(ROUNDS):
        for count in counts:
            work = open_work(count)
            work()
            for _ in range(REPEATS):
                began_ns = clock_ns()
                work()
                spent_ns[count].append(clock_ns() - began_ns)
    return {count: statistics.median(durations) / 1e6 for count, durations in spent_ns.items()}


def best_threads(times_ms: Mapping[int, float]) -> int:
    """From the fewest threads upwards, on to each number that saves `WORTH` of the time."""
    best, *others = sorted(times_ms)
    for count in others:
        if times_ms[count] <= (1 - WORTH) * times_ms[best]:
            best = count
    return best


def advise(times_ms: Mapping[int, float], configured: int) -> str:
    """What was measured, and what follows for the option `threads`."""
    first, *others = (f"{times_ms[count]:.2f} ms with {count}" for count in sorted(times_ms))
    listed = ", ".join([f"{first} thread", *others])
    best = best_threads(times_ms)
    told = f"`threads: {best}` is right here" if best == configured else f"set `threads: {best}`"
    return f"a search and a judgement take {listed}; {told}"
