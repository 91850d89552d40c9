"""What became slower between two runs, with intervals; runs under unlike conditions are not compared."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_fer.bench.figures import Figures
from edge_fer.bench.laps import WAITING
from edge_fer.errors import DataError

RESAMPLES: Final = 4000
CONFIDENCE: Final = 0.99
"""Of each interval: a table has some ten of them, and one in a hundred misses by chance alone."""
MATTERS: Final = 0.05
"""Two runs of one and the same program differ by some per cent, however narrow the intervals within a run are."""
FEWEST_BLOCKS: Final = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What one quantity did.

    Attributes:
        name: `frames/s`, `CPU` (processor time per frame), `all work` or a stage.
        unit: its unit.
        old: mean before.
        new: mean now.
        ratio: new over old.
        interval: of the ratio, at `CONFIDENCE`.
        slower: whether it is worse beyond chance, and by enough to matter.
        faster: likewise better.
    """

    name: str
    unit: str
    old: float
    new: float
    ratio: float
    interval: tuple[float, float]
    slower: bool
    faster: bool


def refuse_unlike(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Nothing if two runs may be compared; what one of them does not know of is no difference.

    Raises:
        DataError: they were taken under different conditions.
    """
    unlike = [f"{name} ({old[name]} then, {new[name]} now)" for name in new if name in old and old[name] != new[name]]
    if unlike:
        raise DataError(f"these runs cannot be compared, they differ in {', '.join(unlike)}; measure both alike")


def compare(old: Figures, new: Figures) -> list[Change]:
    """Frame rate, processor time and time of a whole frame, and time per frame of every stage that both have.

    Each interval is a percentile bootstrap (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993) of the ratio
    of two means over the blocks of each window. Blocks of some seconds even out what neighbouring frames share, but
    not what a whole run shares, such as the temperature; hence `MATTERS`. Where other work disturbed a run, nothing is
    called slower or faster.

    Raises:
        DataError: the runs are unlike, or too short.
    """
    refuse_unlike(old.conditions, new.conditions)
    for figures, which in ((old, "earlier"), (new, "new")):
        if len(figures.blocks) < FEWEST_BLOCKS:
            raise DataError(
                f"the {which} run is too short to compare: it has {len(figures.blocks)} blocks with a frame in them, "
                f"{FEWEST_BLOCKS} are needed; measure for longer"
            )
    changes = [
        _change("frames/s", "1/s", _fps(old), _fps(new), more_is_better=True),
        _change("CPU", "ms", _cpu(old), _cpu(new), more_is_better=False),
        _change("all work", "ms", _work(old), _work(new), more_is_better=False),
    ]
    shared = [stage for stage in _work_stages(new) if stage in old.stages]
    changes += [_change(stage, "ms", _stage(old, stage), _stage(new, stage), more_is_better=False) for stage in shared]
    return (
        changes
        if disturbance(old, new) is None
        else [dataclasses.replace(change, slower=False, faster=False) for change in changes]
    )


def disturbance(old: Figures, new: Figures) -> str | None:
    """What keeps two runs from telling what became slower; None if nothing does."""
    if not (old.cpu.disturbed or new.cpu.disturbed):
        return None
    return f"other work took {old.cpu.others:.0f} % of a core then, {new.cpu.others:.0f} % now"


def comparison_table(changes: Sequence[Change], disturbed: str | None = None) -> str:
    """The changes, and in the last line what they come to.

    Args:
        changes: see `compare`.
        disturbed: see `disturbance`.
    """
    lines = [f"{'compared':10}{'before':>10}{'now':>10}{'change':>9}   {CONFIDENCE:.0%} interval"]
    for change in changes:
        low, high = (f"{bound - 1:+.1%}" for bound in change.interval)
        verdict = "SLOWER" if change.slower else "faster" if change.faster else ""
        numbers = f"{change.old:10.3f}{change.new:10.3f}{change.ratio - 1:+9.1%}"
        lines.append(f"{change.name:10}{numbers}   {f'{low} to {high}':20}{verdict}".rstrip())
    if disturbed is not None:
        return "\n".join([*lines, f"no verdict, {disturbed}: quieten it, and measure both again"])
    slower = [change.name for change in changes if change.slower]
    told = f"slower: {', '.join(slower)}" if slower else "nothing became slower"
    return "\n".join([*lines, f"{told} (by {MATTERS:.0%} or more, and beyond chance)"])


def _change(
    name: str, unit: str, old: NDArray[np.float64], new: NDArray[np.float64], *, more_is_better: bool
) -> Change:
    ratio = float(new.mean() / old.mean())
    chance = np.random.default_rng(0)
    means = [values[chance.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1) for values in (old, new)]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(means[1] / means[0], (tail, 100 - tail)).tolist()
    rose, fell = low > 1 and ratio >= 1 + MATTERS, high < 1 and ratio <= 1 - MATTERS
    slower, faster = (fell, rose) if more_is_better else (rose, fell)
    return Change(name, unit, float(old.mean()), float(new.mean()), ratio, (low, high), slower, faster)


def _fps(figures: Figures) -> NDArray[np.float64]:
    return np.array([block.fps for block in figures.blocks])


def _cpu(figures: Figures) -> NDArray[np.float64]:
    return np.array([block.cpu_ms for block in figures.blocks])


def _stage(figures: Figures, stage: str) -> NDArray[np.float64]:
    return np.array([block.mean_ms[stage] for block in figures.blocks])


def _work(figures: Figures) -> NDArray[np.float64]:
    stages = _work_stages(figures)
    return np.array([sum(block.mean_ms[stage] for stage in stages) for block in figures.blocks])


def _work_stages(figures: Figures) -> list[str]:
    live = figures.conditions.get("playback") == "live"
    return [stage for stage in figures.stages if not (live and stage == WAITING)]
