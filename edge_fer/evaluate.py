"""`edge-fer evaluate`: a model's scores on labelled pictures, through the daemon's own code."""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.errors import DataError
from edge_fer.metrics import Scores, score

if TYPE_CHECKING:  # both load OpenCV, which --help must not
    from edge_fer.card import Card
    from edge_fer.labelled import LabelledPicture
    from edge_fer.tflite import Network


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a network said of labelled pictures.

    Attributes:
        logits: float32 (n, labels).
        truth: int64 (n,), the right labels as indices into the model's, or into those that were given.
        ms_per_image: median time from decoded picture to logits, in milliseconds.
    """

    logits: NDArray[np.float32]
    truth: NDArray[np.int64]
    ms_per_image: float


def judge(
    network: "Network", card: "Card", pictures: "Sequence[LabelledPicture]", labels: Sequence[str] = ()
) -> Judgement:
    """Run a network over labelled face crops.

    Args:
        network: to run.
        card: its card.
        pictures: to judge.
        labels: those that the pictures may have, if not the model's.

    Raises:
        DataError: a picture cannot be read, or has another label.
    """
    from edge_fer.preprocess import resize_face, to_model_input  # noqa: PLC0415  OpenCV

    truth = label_indices(pictures, labels or card.labels)
    logits = np.empty((len(pictures), len(card.labels)), np.float32)
    spent_ns = []
    for row, picture in zip(logits, pictures, strict=True):
        pixels = picture.read()
        start_ns = time.perf_counter_ns()
        row[:] = network.logits(to_model_input(resize_face(pixels, card.input_size)))
        spent_ns.append(time.perf_counter_ns() - start_ns)
    return Judgement(logits, truth, float(np.median(spent_ns)) / 1e6)


def label_indices(pictures: "Sequence[LabelledPicture]", labels: Sequence[str]) -> NDArray[np.int64]:
    """The pictures' labels as indices into a model's: int64 (n,).

    Raises:
        DataError: a label is not one of the model's.
    """
    index = {label: number for number, label in enumerate(labels)}
    for picture in pictures:
        if picture.label not in index:
            raise DataError(
                f"{picture.source}: {picture.label!r} is no label of the model, which knows {', '.join(labels)}"
            )
    return np.array([index[picture.label] for picture in pictures], np.int64)


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
    from edge_fer.labelled import find_labelled  # noqa: PLC0415  OpenCV
    from edge_fer.tflite import Network, softmax  # noqa: PLC0415  OpenCV, by way of the card

    if args.plots:
        from edge_fer.plots import draw_confusion, draw_reliability  # noqa: PLC0415  matplotlib, an extra
    card, content = load_model_files(find_model(args.model))
    pictures = find_labelled(args.source, args.split)
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
        print(f"{protocol(card)}; left out: {left_out}")  # noqa: T201
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
