"""Pictures of a classifier's scores; the only importer of matplotlib in the daemon's package."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_fer.errors import EdgeFerError
from edge_fer.metrics import FloatArray, IntArray, Scores, expected_calibration_error, reliability

try:
    from matplotlib.figure import Figure
except ModuleNotFoundError as error:
    raise EdgeFerError("pictures of scores need matplotlib: pip install 'edge-fer[plots]'") from error


def draw_confusion(scores: Scores, labels: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix: shares of each row, counts written in.

    Args:
        scores: of one labelled set.
        labels: the model's, in order.
        path: the PNG file.
    """
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(1.5 + 0.7 * len(labels), 1.2 + 0.7 * len(labels)), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(*counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        text = f"{shares[row, column]:.0%}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="said", ylabel="shown", title=f"{scores.accuracy:.1%} of {scores.n} right")
    figure.savefig(path, dpi=120)


def draw_reliability(probabilities: FloatArray, truth: IntArray, path: Path) -> None:
    """Draw accuracy over confidence, and how often each confidence occurs.

    Args:
        probabilities: float (n, labels).
        truth: integer (n,), the right labels.
        path: the PNG file.
    """
    confidence, accuracy, count = reliability(probabilities, truth)
    edges = np.linspace(0, 1, len(count) + 1)
    figure = Figure(figsize=(5, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    upper.plot([0, 1], [0, 1], color="gray", linestyle=":")
    upper.plot(confidence[count > 0], accuracy[count > 0], marker="o")
    upper.set(ylabel="accuracy", title=f"ECE {expected_calibration_error(probabilities, truth):.3f}")
    lower.stairs(count, edges, fill=True)
    lower.set(xlabel="confidence", ylabel="pictures", xlim=(0, 1))
    figure.savefig(path, dpi=120)
