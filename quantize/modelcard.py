"""Says in MODEL_CARD.md what a card says in JSON, for the people who decide whether to use the model."""

import json
from collections.abc import Sequence
from typing import Any

from edge_fer.card import Card
from edge_fer.metrics import Scores, wilson_interval

USES = """\
## Intended use

Showing on the spot which emotion a visible face *expresses*: home automation that reacts to it, art, games,
teaching, research on interfaces, robots. It runs where the camera is and stores no picture.

## Uses that are forbidden or unfit

- **Not in workplaces or schools.** Regulation (EU) 2024/1689 (AI Act), Article 5(1)(f), prohibits AI systems that
  infer emotions of people at work or in education, but for medical or safety reasons.
- Not for decisions about people: hiring, credit, insurance, policing, border control, medical or legal judgement.
- Not without the knowledge of those who are seen. Outside the prohibition, emotion recognition is a high-risk use
  under Annex III of the same regulation, and Article 50(3) demands that people are told.

## Limits

- It reports **apparent expression, not feeling**. People smile without joy and are sad without showing it; the link
  between face and feeling differs between persons, cultures and situations.
- Its labels are those of the data: one word per picture, given by few people, who often disagree. On FER2013 people
  themselves agree with the label in about 65 of 100 pictures.
- Rare labels are learned worst: see the recall per label and its interval.
- The pictures were collected on the web. Who is in them by age, sex and skin is unknown, and no score by group could
  be measured: expect differences, and measure on your own people before you rely on it.
- Small, blurred, dark, turned or covered faces are judged worse than the pictures that the scores come from.
"""


def render(cards: Sequence[Card]) -> str:
    """The text of MODEL_CARD.md, for all models of a folder."""
    names = [card.name for card in cards]
    sources = ", ".join(f"`{name}.json`" for name in names)
    return "\n".join(
        [
            f"# Model card: {', '.join(names)}\n",
            f"Generated from {sources} by `edge-fer-quantize`.\n",
            USES,
            *(_model(card) for card in cards),
        ]
    )


def _model(card: Card) -> str:
    parts = [
        f"## The model {card.name}\n",
        _network(card),
        *(_scores(split, scores) for split, scores in card.scores.items()),
        _calibration(card),
        _crops(card),
        _speed(card),
        "### How it was made\n",
        f"Data: {card.data}\n" if card.data else "",
        _block("Quantization", card.quantization),
        _block("Training", card.training),
    ]
    return "\n".join(part for part in parts if part)


def _network(card: Card) -> str:
    height, width = card.input_size
    rows = [
        ("input", f"one gray face crop, int8 1 x {height} x {width} x 1: gray value minus 128"),
        ("output", f"int8 logits of {len(card.labels)} labels: {', '.join(card.labels)}"),
        ("size", f"{card.size_bytes:,} bytes"),
        ("operators in float", ", ".join(card.float_operators) or "none"),
        ("temperature", f"{card.temperature:.3f}"),
        ("sha256", f"`{card.sha256}`"),
        ("source revision", card.revision or "unknown"),
        ("made on", card.created or "unknown"),
    ]
    return "| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows)


def _scores(split: str, scores: Scores) -> str:
    low, high = scores.accuracy_ci95
    lines = [
        f"### Scores on the {split} split\n",
        f"{scores.n:,} pictures, through the int8 network and the daemon's own preprocessing, one crop each.\n",
        f"Accuracy **{scores.accuracy:.2%}** (95 % interval {low:.2%} to {high:.2%}), macro F1 {scores.macro_f1:.3f}, "
        f"expected calibration error {scores.ece:.4f}, negative log-likelihood {scores.nll:.4f}.\n",
        "| label | pictures | precision | recall | 95 % interval of recall | F1 |",
        "|---|---|---|---|---|---|",
    ]
    for label, one in scores.per_class.items():
        interval = "-"
        if one.n:
            low, high = wilson_interval(round(one.recall * one.n), one.n)
            interval = f"{low:.1%} to {high:.1%}"
        lines.append(f"| {label} | {one.n} | {one.precision:.1%} | {one.recall:.1%} | {interval} | {one.f1:.3f} |")
    return "\n".join(lines) + "\n"


def _calibration(card: Card) -> str:
    fit = card.calibration
    if fit is None:
        return ""
    return (
        "### Calibration\n\n"
        f"One temperature, {card.temperature:.3f}, fitted on the {fit.split} split's int8 logits: expected "
        f"calibration error {fit.ece_before:.4f} before and {fit.ece_after:.4f} after, negative log-likelihood "
        f"{fit.nll_before:.4f} before and {fit.nll_after:.4f} after. The same split chose among "
        "networks, so a split that was never looked at will score somewhat lower.\n"
    )


def _crops(card: Card) -> str:
    if not card.crop_margins:
        return ""
    lines = [
        "### Crops\n",
        "A detector's box becomes a square crop: its side is the box's mean side times the scale, its centre lies "
        "below the box's by the shift in sides. Tried were scales and shifts around those that frame training pictures "
        "as they are (quartiles); these judge best. The accuracies are of validation pictures pasted onto a larger "
        "canvas, up to as many of each label: as they are, framed by the median, and cropped.\n",
        "| detector | scale (quartiles) | shift (quartiles) | faces found | judged | accuracy whole | framed "
        "| cropped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for detector, margin in card.crop_margins.items():
        fit = card.crop_fits.get(detector)
        row = f"| {detector} | {margin.scale:.3f}"
        if fit is None:
            lines.append(f"{row} | {margin.shift_y:+.3f} | | | | | |")
            continue
        framed = "" if fit.accuracy_framed is None else f"{fit.accuracy_framed:.1%}"
        (small, large), (high, deep) = fit.scale_quartiles, fit.shift_y_quartiles
        lines.append(
            f"{row} ({small:.3f} to {large:.3f}) | {margin.shift_y:+.3f} ({high:+.3f} to {deep:+.3f}) | "
            f"{fit.found:.1%} | {fit.judged} | {fit.accuracy_whole:.1%} | {framed} | {fit.accuracy_cropped:.1%} |"
        )
    return "\n".join(lines) + "\n"


def _speed(card: Card) -> str:
    rows = []
    if (one := card.latency) is not None:
        threads = "one thread" if one.threads == 1 else f"{one.threads} threads"
        rows.append(
            f"| {one.cpu}, {threads}, {one.runtime} | {one.p50_ms:.3f} ms (median), {one.p90_ms:.3f} ms (p90) |"
        )
    rows += [f"| {core}, emulated | {count / 1e6:.2f} M instructions |" for core, count in card.instructions.items()]
    if not rows:
        return ""
    return "\n".join(["### Time per face\n", "From face crop to logits.\n", "| | |", "|---|---|", *rows]) + "\n"


def _block(title: str, values: dict[str, Any]) -> str:
    if not values:
        return ""
    return f"#### {title}\n\n```json\n{json.dumps(values, indent=2, ensure_ascii=False)}\n```\n"
