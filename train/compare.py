"""Trains several networks on the same split with the same budget, and lays them side by side."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from edge_fer.atomic import write_atomically
from edge_fer.card import load_model_files
from edge_fer.errors import ConfigError, EdgeFerError
from edge_fer.metrics import score
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import Network

from .complexity import count_macs
from .data.dataset import Dataset
from .fit import check, train
from .judge import predict
from .recipe import Recipe
from .steps import is_saved_model

log = logging.getLogger(__name__)

_QUANTIZER = {"train": "quantize"}.get(__package__ or "", "edge_fer_quantize")
"""The quantizer's package: beside ours in the source tree, or installed."""

_COLUMNS = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "parameters": "parameters",
    "mmac": "MMAC",
    "int8_kb": "int8 size, KB",
    "int8_ms": "int8 latency, ms",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One network.

    Attributes:
        net: its name.
        accuracy: of the float network on the validation split, 0 to 1.
        macro_f1: likewise.
        parameters: number of weights.
        mmac: millions of multiply-accumulates per picture.
        int8_kb: size of the `.tflite` in units of 1000 bytes; None when it cannot be quantized.
        int8_ms: median time of one picture on one thread here.
        float_operators: how many operators stay float in the int8 network.
    """

    net: str
    accuracy: float
    macro_f1: float
    parameters: int
    mmac: float
    int8_kb: float | None
    int8_ms: float | None
    float_operators: int | None


def compare(nets: Sequence[str], recipe: Recipe, dataset: Dataset, out: Path) -> list[Row]:
    """Train, judge, quantize and time each network.

    Args:
        nets: built-in nets, or `module:function`; all trained by the same recipe but for its `net` and `net_args`.
        recipe: the common budget.
        dataset: the common split.
        out: receives a run folder per net, `compare.csv`, `compare.md` and `compare.png`.

    Returns:
        A row per net, in the order given.

    Raises:
        ConfigError: a net is not there, or the recipe builds on others or does not fit the data.
    """
    named = [one for one in (recipe.start, *recipe.teachers) if one and not is_saved_model(one)]
    if named:
        raise ConfigError(f"{named[0]}: compare trains no other recipes first: name a saved model, RUN/model.keras.")
    runs = {net: out / net.replace(":", ".") for net in nets}
    budgets = {
        net: recipe.model_copy(update={"net": net, "net_args": recipe.net_args if net == recipe.net else {}})
        for net in nets
    }
    for net in nets:
        check(budgets[net], dataset, runs[net])
    pictures = out / "int8-pictures"
    _write_pictures(dataset, pictures)
    rows = []
    for net in nets:
        run, budget = runs[net], budgets[net]
        model = train(budget, dataset, run)
        validation = dataset.validation
        scores = score(predict(model, validation.images), validation.labels, dataset.classes)
        account = {"labels": dataset.classes, "input_size": dataset.size, "recipe": budget.model_dump(mode="json")}
        write_atomically(run / "run.json", json.dumps(account, indent=1).encode())
        kb, ms, floats = _quantize(run, pictures, dataset)
        macs = round(count_macs(model) / 1e6, 2)
        rows.append(Row(net, scores.accuracy, scores.macro_f1, model.count_params(), macs, kb, ms, floats))
    table = pd.DataFrame([asdict(row) for row in rows])
    write_atomically(out / "compare.csv", table.to_csv(index=False).encode())
    write_atomically(out / "compare.md", _markdown(table).encode())
    _draw(table, out / "compare.png")
    log.info("%s", _markdown(table))
    return rows


def _write_pictures(dataset: Dataset, folder: Path, per_class: int = 100) -> None:
    """Some pictures of each class as files, for the quantizer to calibrate with."""
    for name in ("train", "validation"):
        split = dataset.splits[name]
        for number, label in enumerate(dataset.classes):
            place = folder / name / label
            place.mkdir(parents=True, exist_ok=True)
            for i in np.flatnonzero(split.labels == number)[:per_class]:
                cv2.imwrite(str(place / f"{i}.png"), split.images[i])


def _quantize(run: Path, pictures: Path, dataset: Dataset) -> tuple[float | None, float | None, int | None]:
    """Size in KB, latency in ms and number of float operators of the network in int8."""
    command = [
        sys.executable, "-m", _QUANTIZER, str(run / "model.keras"), "--data", str(pictures),
        "--out", str(run / "int8"), "--name", "net", "--allow-float",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own package
    if done.returncode:
        log.warning("%s: not quantized: %s", run.name, done.stderr.strip().splitlines()[-1:])
        return None, None, None
    try:
        card, content = load_model_files(run / "int8" / "net.tflite")
        network = Network(content, card)
    except EdgeFerError as error:
        log.warning("%s: not timed: %s", run.name, error)
        return None, None, None
    picture = to_model_input(np.asarray(dataset.validation.images[0]))
    for _ in range(20):
        network.logits(picture)
    times_s = []
    for _ in range(200):
        start = time.perf_counter()
        network.logits(picture)
        times_s.append(time.perf_counter() - start)
    return len(content) / 1000, round(1000 * float(np.median(times_s)), 3), len(card.float_operators)


def _markdown(table: pd.DataFrame) -> str:
    header = "| net | " + " | ".join([*_COLUMNS.values(), "float operators"]) + " |\n"
    lines = []
    for row in table.itertuples():
        kb, ms = (f"{v:.{d}f}" if pd.notna(v) else "-" for v, d in ((row.int8_kb, 0), (row.int8_ms, 2)))
        floats = f"{row.float_operators:.0f}" if pd.notna(row.float_operators) else "-"
        lines.append(
            f"| {row.net} | {row.accuracy:.1%} | {row.macro_f1:.3f} | {row.parameters:,} | {row.mmac:.1f} "
            f"| {kb} | {ms} | {floats} |\n"
        )
    return header + "|---|" + "---:|" * (len(_COLUMNS) + 1) + "\n" + "".join(lines)


def _draw(table: pd.DataFrame, path: Path) -> None:
    figure = Figure(figsize=(12, 1.6 + 0.7 * len(table)), layout="constrained")
    for axes, (column, title) in zip(figure.subplots(2, 3, sharey=True).flat, _COLUMNS.items(), strict=True):
        values = table[column].astype(float)
        bars = axes.barh(table["net"], values.fillna(0))
        labels = ["-" if pd.isna(v) else f"{v:,.3g}" if v < 1000 else f"{v:,.0f}" for v in values]
        axes.bar_label(bars, labels, padding=3, fontsize=8)
        axes.set_title(title, fontsize=10)
        axes.margins(x=0.25)
    axes.invert_yaxis()  # shared by all
    figure.savefig(path, dpi=120)
