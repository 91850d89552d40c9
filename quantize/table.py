"""The table of all models: accuracy, size, time, each figure with the command that makes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_fer.card import Card, find_model, load_model_files
from edge_fer.ferplus import judge_by_votes, read_majorities, relabel
from edge_fer.judgement import judge
from edge_fer.labelled import find_labelled, readable
from edge_fer.metrics import Scores, score
from edge_fer.tflite import Network, softmax


@dataclass(frozen=True, slots=True)
class Row:
    """A model's figures; None where nothing was measured."""

    card: Card
    own: Scores
    voted: Scores | None


def evaluate(model: str, data: Path, votes: Path | None) -> Row:
    """Judge the validation split as `edge-fer evaluate` does, by its own labels and by FER+'s.

    Raises:
        EdgeFerError: model, data or votes are not what they must be.
    """
    card, content = load_model_files(find_model(model))
    network = Network(content, card)
    pictures = readable(find_labelled(data, "validation"), data)
    judgement = judge(network, card, pictures)
    own = score(softmax(judgement.logits, card.temperature), judgement.truth, card.labels)
    if votes is None:
        return Row(card, own, None)
    majorities = read_majorities(votes)
    return Row(card, own, judge_by_votes(network, card, relabel(pictures, majorities, "validation")[0])[2])


def render(rows: Sequence[Row], data: Path, votes: Path | None) -> str:
    """Markdown: the table, and the command for each of its rows."""
    cores = sorted({core for row in rows for core in row.card.instructions})
    names = [row.card.name for row in rows]
    lines = ["| | " + " | ".join(f"`{name}`" for name in names) + " |", "|---|" + "---|" * len(rows)]

    def add(title: str, cells: Sequence[str]) -> None:
        lines.append(f"| {title} | " + " | ".join(cells) + " |")

    add(f"FER2013 validation, n = {rows[0].own.n:,}", [_share(row.own) for row in rows])
    voted = [row.voted for row in rows if row.voted is not None]
    if voted:
        add(f"FER+ majority of eight, n = {voted[0].n:,}", [_share(one) for one in voted])
    add("macro F1", [f"{row.own.macro_f1:.3f}" for row in rows])
    add("expected calibration error", [f"{row.own.ece:.3f}" for row in rows])
    add("bytes", [f"{row.card.size_bytes:,}" for row in rows])
    for cpu in sorted({row.card.latency.cpu for row in rows if row.card.latency}):
        times = [one.p50_ms if (one := row.card.latency) and one.cpu == cpu else None for row in rows]
        add(f"ms per face, one thread, {cpu}", ["" if ms is None else f"{ms:.3f}" for ms in times])
    for core in cores:
        counts = [row.card.instructions.get(core) for row in rows]
        add(f"M instructions per face, {core}", ["" if count is None else f"{count / 1e6:.2f}" for count in counts])
    source, table = data.name, votes.name if votes else ""
    lines += ["", *(f"    edge-fer evaluate {source} --split validation --model {name}" for name in names)]
    if votes:
        lines += [f"    edge-fer evaluate {source} --split validation --votes {table} --model {name}" for name in names]
    lines += [f"    edge-fer-quantize card edge_fer/models/{name}.tflite" for name in names]
    if cores:
        lines.append("    python tests/pi/table.py --parts network --json counts.json")
    return "\n".join(lines)


def _share(scores: Scores) -> str:
    low, high = scores.accuracy_ci95
    return f"**{scores.accuracy:.1%}** ({low:.1%} to {high:.1%})"
