"""Pictures of a run: curves, contact sheets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from keras import ops
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .augment import augment
from .data.dataset import Images, Split
from .recipe import Recipe


def save_curves(history: pd.DataFrame, path: Path, kept: int) -> None:
    """Draw accuracy and loss over the epochs, training and validation; a dotted line where a stage begins.

    Args:
        history: a row per epoch, with the columns of `history.csv`.
        path: the picture; its suffix decides the format.
        kept: the epoch whose network was kept, from 1 on.
    """
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(history) + 1)
    for axes, name in ((left, "accuracy"), (right, "loss")):
        axes.plot(epochs, history[name], label="training (augmented)")
        axes.plot(epochs, history[f"val_{name}"], label="validation")
        for start in epochs[1:][np.diff(history["stage"]) > 0]:
            axes.axvline(start, color="gray", linestyle=":")
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(alpha=0.3)
        axes.legend()
    left.set_title(f"kept: {history['val_accuracy'][kept - 1]:.1%} in epoch {kept}")
    figure.savefig(path, dpi=120)


def save_contact_sheet(images: Images, captions: Sequence[str], path: Path, columns: int = 8) -> None:
    """Draw pictures, uint8 (n, height, width), in rows, each with its caption."""
    rows = max(1, -(-len(images) // columns))
    figure = Figure(figsize=(1.4 * columns, 1.7 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, caption in zip(figure.axes[: len(images)], images, captions, strict=True):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=7)
    figure.savefig(path, dpi=120)


def save_augmentation(path: Path, split: Split, recipe: Recipe, views: int = 8) -> None:
    """Draw eight training pictures, each in a row: as it is, then as training sees it."""
    rng = np.random.default_rng(recipe.seed)
    chosen = np.sort(rng.choice(len(split), min(8, len(split)), replace=False))
    images: NDArray[np.uint8] = np.asarray(split.images[chosen])
    seen = [_as_uint8(augment(images, recipe.augmentation, rng).images) for _ in range(views)]
    sheet = np.stack([images, *seen], axis=1).reshape(-1, *images.shape[1:])
    captions = ["as it is", *[""] * (len(sheet) - 1)]
    save_contact_sheet(sheet, captions, path, columns=views + 1)


def _as_uint8(x: Any) -> NDArray[np.uint8]:
    pixels: NDArray[np.uint8] = np.rint(ops.convert_to_numpy(x)[..., 0] * 255).astype(np.uint8)
    return pixels
