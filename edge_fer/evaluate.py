"""`edge-fer evaluate`: a model's scores on labelled pictures, through the daemon's own code."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.metrics import Scores, score


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "source", type=Path, help="folder or zip of <label>/*.jpg, or CSV with the columns emotion, pixels[, Usage]"
    )
    parser.add_argument(
        "--split", choices=["train", "validation", "test"], help="which part, where the source has several"
    )
    parser.add_argument("--model", default="emotion", help="a shipped model's name or a .tflite file (%(default)s)")
    parser.add_argument(
        "--votes",
        type=Path,
        metavar="FILE",
        help="judge by the majority of FER+ votes (CSV), eight emotions, instead of the pictures' own labels",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores to this file")
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw confusion.png and reliability.png into this folder"
    )


def run(args: argparse.Namespace) -> int:
    """Evaluate, print the table, write what was asked for.

    Raises:
        EdgeFerError: the model, the data or matplotlib are not what they must be.
    """
    from edge_fer.card import find_model, load_model_files  # noqa: PLC0415  OpenCV
    from edge_fer.judgement import judge  # noqa: PLC0415  likewise
    from edge_fer.labelled import find_labelled, readable  # noqa: PLC0415  OpenCV
    from edge_fer.tflite import Network, softmax  # noqa: PLC0415  OpenCV, by way of the card

    if args.plots:
        from edge_fer.plots import draw_confusion, draw_reliability  # noqa: PLC0415  matplotlib, an extra
    card, content = load_model_files(find_model(args.model))
    pictures = readable(find_labelled(args.source, args.split), args.source)
    about: dict[str, object] = {}
    if args.votes:
        from edge_fer.ferplus import EIGHT, judge_by_votes, protocol, read_majorities, relabel  # noqa: PLC0415  OpenCV

        pictures, left_out = relabel(pictures, read_majorities(args.votes), args.split)
        judgement, probabilities, scores = judge_by_votes(Network(content, card), card, pictures)
        labels, about = EIGHT, {"protocol": protocol(card), "left_out": left_out}
    else:
        judgement, labels = judge(Network(content, card), card, pictures), card.labels
        probabilities = softmax(judgement.logits, card.temperature)
        scores = score(probabilities, judgement.truth, labels)
    print(table(scores), f"\n{judgement.ms_per_image:.3f} ms per image", sep="")  # noqa: T201  the command's output
    if args.votes:
        why = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.items()) or "none"
        print(f"{protocol(card)}; left out: {why}")  # noqa: T201
    if args.json:
        about |= {"model": {"name": card.name, "sha256": card.sha256}}
        rest = {"labels": labels, "ms_per_image": judgement.ms_per_image, **about}
        write_atomically(args.json, (json.dumps(asdict(scores) | rest, indent=2) + "\n").encode())
    if args.plots:
        make_folder(args.plots)
        draw_confusion(scores, labels, args.plots / "confusion.png")
        draw_reliability(probabilities, judgement.truth, args.plots / "reliability.png")
    return 0


def table(scores: Scores) -> str:
    """The scores as lines of text."""
    low, high = scores.accuracy_ci95
    lines = [f"{'':12}{'precision':>10}{'recall':>8}{'F1':>8}{'n':>7}"]
    for label, one in scores.per_class.items():
        lines.append(f"{label:12}{one.precision:10.3f}{one.recall:8.3f}{one.f1:8.3f}{one.n:7d}")
    lines += [
        "",
        f"accuracy {scores.accuracy:.2%} (95 % interval {low:.2%} to {high:.2%}) of {scores.n} pictures",
        f"macro F1 {scores.macro_f1:.3f}, ECE {scores.ece:.4f}, NLL {scores.nll:.4f}",
    ]
    return "\n".join(lines) + "\n"
