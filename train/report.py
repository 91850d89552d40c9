"""What a run leaves behind for people: figures, pictures, lists, and one page that holds all of it."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray
from sklearn.metrics import classification_report

from edge_fer.atomic import write_atomically
from edge_fer.metrics import Scores, score
from edge_fer.plots import draw_confusion, draw_reliability

from .checkpoint import CHECKPOINT
from .data.dataset import Dataset, Split
from .data.options import DataOptions
from .judge import predict
from .plots import save_augmentation, save_contact_sheet, save_curves
from .provenance import provenance
from .recipe import Recipe

_SHOWN_MISTAKES = 48


def is_reported(run: Path) -> bool:
    """Whether a run's report is younger than its checkpoint: then nothing was trained since, by any revision."""
    page = run / "report.html"
    return page.exists() and page.stat().st_mtime_ns > (run / CHECKPOINT).stat().st_mtime_ns


def write_report(
    run: Path, net: keras.Model, *, recipe: Recipe, dataset: Dataset, source: str, options: DataOptions
) -> None:
    """Judge the best network on every held-out split and write everything into the run folder.

    That is, per split, `confusion-SPLIT.png`, `reliability-SPLIT.png`, `mistakes-SPLIT.png` (the most confident ones),
    `misclassified-SPLIT.csv` and `classification-SPLIT.txt`; and `curves.png`, `augmentation.png`, `recipe.yaml`,
    `run.json`, and `report.html`, which needs no other file. Where validation pictures were set apart, `validation.txt`
    names them, for the quantizer.

    Args:
        run: the folder; holds `history.csv`.
        net: the best network.
        recipe: how it was trained.
        dataset: on what.
        source: what the user named with `--data`.
        options: how it was read.
    """
    if dataset.set_apart:
        write_atomically(run / "validation.txt", "\n".join(dataset.validation.names).encode())
    history = pd.read_csv(run / "history.csv")
    best_epoch = _best_epoch(history, recipe.monitor)
    save_curves(history, run / "curves.png", best_epoch)
    save_augmentation(run / "augmentation.png", dataset.train, recipe)
    scores = {
        name: _judge_split(run, net, name, dataset.splits[name], dataset.classes)
        for name in ("validation", "test")
        if name in dataset.splits
    }
    account = {
        "labels": list(dataset.classes),
        "input_size": list(dataset.size),
        "net": recipe.net,
        "parameters": net.count_params(),
        "recipe": recipe.model_dump(mode="json"),
        "data": {
            "source": source if source.startswith("kaggle:") else Path(source).name,
            "fingerprint": dataset.fingerprint(),
            "pictures": {name: len(split) for name, split in dataset.splits.items()},
            "options": options.model_dump(mode="json", exclude={"cache", "exclude", "votes"}),
        },
        "best_epoch": best_epoch,
        "epochs": len(history),
        "scores": {name: asdict(s) for name, s in scores.items()},
        **provenance(),
    }
    write_atomically(run / "run.json", json.dumps(account, indent=1).encode())
    text = yaml.safe_dump(recipe.model_dump(mode="json", exclude_defaults=True), sort_keys=False)
    write_atomically(run / "recipe.yaml", text.encode())
    write_atomically(run / "report.html", _page(run, account, scores, dataset, history).encode())


def _best_epoch(history: pd.DataFrame, monitor: str) -> int:
    """The epoch, from 1 on, whose network was kept; see `edge_fer_train.judge.Judge`."""
    if monitor == "none":
        return len(history)
    return 1 + int(history[monitor].argmin() if monitor == "val_loss" else history[monitor].argmax())


def _judge_split(run: Path, net: keras.Model, name: str, split: Split, classes: tuple[str, ...]) -> Scores:
    probabilities = predict(net, split.images)
    scores = score(probabilities, split.labels, classes)
    draw_confusion(scores, classes, run / f"confusion-{name}.png")
    draw_reliability(probabilities, split.labels, run / f"reliability-{name}.png")
    mistakes = _mistakes(probabilities, split, classes)
    mistakes.drop(columns="index").to_csv(run / f"misclassified-{name}.csv", index=False)
    shown = mistakes.head(_SHOWN_MISTAKES)
    captions = [f"{m.said} {m.confidence:.0%}\nis {m.label}" for m in shown.itertuples()]
    save_contact_sheet(split.images[shown["index"].to_numpy()], captions, run / f"mistakes-{name}.png")
    table = classification_report(
        split.labels, probabilities.argmax(axis=1), labels=range(len(classes)), target_names=classes,
        digits=3, zero_division=0,
    )  # fmt: skip
    (run / f"classification-{name}.txt").write_text(table, encoding="utf-8")
    return scores


def _mistakes(probabilities: NDArray[np.float64], split: Split, classes: tuple[str, ...]) -> pd.DataFrame:
    """Wrong answers, the most confident first."""
    said = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(said != split.labels)
    wrong = wrong[np.argsort(-probabilities[wrong, said[wrong]], kind="stable")]
    return pd.DataFrame(
        {
            "index": wrong,
            "picture": [split.names[int(i)] for i in wrong],
            "label": [classes[c] for c in split.labels[wrong]],
            "said": [classes[c] for c in said[wrong]],
            "confidence": probabilities[wrong, said[wrong]].round(4),
        }
    )


def _page(
    run: Path, account: Mapping[str, Any], scores: Mapping[str, Scores], dataset: Dataset, history: pd.DataFrame
) -> str:
    judged = "".join(
        f"<h2>On the {name} split</h2>"
        f"<p><strong>{s.accuracy:.2%}</strong> of {s.n} right "
        f"(95 %: {s.accuracy_ci95[0]:.1%} to {s.accuracy_ci95[1]:.1%}), "
        f"macro-F1 {s.macro_f1:.3f}, ECE {s.ece:.3f}, NLL {s.nll:.3f}</p>"
        f"<pre>{escape((run / f'classification-{name}.txt').read_text(encoding='utf-8'))}</pre>"
        f"{_image(run / f'confusion-{name}.png')}{_image(run / f'reliability-{name}.png')}"
        f"<h3>The most confident mistakes</h3>{_image(run / f'mistakes-{name}.png')}"
        for name, s in scores.items()
    )
    origin = {k: account[k] for k in ("net", "parameters", "data", "git_revision", "backend", "machine", "versions")}
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>edge-fer training: {escape(account["net"])}</title>
<style>
 body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }}
 img {{ max-width: 100%; vertical-align: top; }}
 pre, table {{ font-size: 13px; }} pre {{ background: #f4f4f4; padding: .7rem; overflow-x: auto; }}
 td, th {{ padding: 0 .6rem; text-align: right; }}
</style>
<h1>{escape(account["net"])}: {len(dataset.classes)} classes, {account["parameters"]:,} parameters</h1>
<pre>{escape(dataset.describe())}</pre>
{judged}
<h2>Course of the training</h2>{_image(run / "curves.png")}
<details><summary>Every epoch</summary>{history.round(4).to_html(index=False, border=0)}</details>
<h2>What training sees</h2>{_image(run / "augmentation.png")}
<h2>Recipe</h2><pre>{escape((run / "recipe.yaml").read_text(encoding="utf-8"))}</pre>
<h2>Where it came from</h2><pre>{escape(yaml.safe_dump(origin, sort_keys=False))}</pre>
</html>
"""


def _image(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="{escape(path.stem)}" src="data:image/png;base64,{data}">'
