"""A picture of the figures: where the time goes, how steady it is, and the choices side by side."""

from pathlib import Path

import numpy as np

from edge_fer.bench.figures import Figures
from edge_fer.errors import EdgeFerError

try:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise EdgeFerError("a picture of the figures needs matplotlib: pip install 'edge-fer[plots]'") from error


def draw_figures(figures: Figures, path: Path) -> None:
    """Draw a PNG.

    Args:
        figures: what was measured.
        path: the file.

    Raises:
        EdgeFerError: it cannot be written.
    """
    variants = [variant for variant in figures.variants if variant.fps is not None]
    figure = Figure(figsize=(10, 4 if not variants else 7), layout="constrained")
    rows = figure.subplots(2 if variants else 1, 2, squeeze=False)
    figure.suptitle(f"{figures.board}: {figures.fps:.1f} frames/s, {figures.detector} + {figures.model['name']}")
    _draw_stages(rows[0][0], figures)
    _draw_blocks(rows[0][1], figures)
    if variants:
        names = [f"{variant.option} {variant.choice}" for variant in variants]
        for axes, values, label in (
            (rows[1][0], [variant.fps for variant in variants], "frames/s"),
            (rows[1][1], [variant.rss_mb for variant in variants], "memory, MB"),
        ):
            axes.barh(names, values, color="tab:blue")
            axes.invert_yaxis()
            axes.set_xlabel(label)
    try:
        figure.savefig(path, dpi=100, format="png")
    except OSError as error:
        raise EdgeFerError(f"{path}: cannot be written: {error.strerror}") from error


def _draw_stages(axes: Axes, figures: Figures) -> None:
    names = [*figures.stages, "all work"]
    spreads = [*figures.stages.values(), figures.work]
    places = range(len(names))
    for share, colour in (("p50_ms", "tab:blue"), ("p90_ms", "tab:orange"), ("p99_ms", "tab:red")):
        values = [getattr(spread, share) for spread in spreads]
        axes.plot(values, places, "o", color=colour, label=share.removesuffix("_ms"))
    axes.hlines(places, [one.p50_ms for one in spreads], [one.p99_ms for one in spreads], color="lightgray", zorder=0)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set(xscale="log", xlabel="ms")
    axes.legend()


def _draw_blocks(axes: Axes, figures: Figures) -> None:
    edges_s = np.linspace(0, figures.seconds, len(figures.blocks) + 1)
    axes.stairs([block.fps for block in figures.blocks], edges_s, baseline=None)
    axes.set(xlabel="s", ylabel="frames/s", ylim=(0, None))
