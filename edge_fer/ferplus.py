"""FER+: what most of ten people saw in a picture of FER2013, out of eight emotions.

Barsoum, Zhang, Canton Ferrer and Zhang: Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution, ICMI 2016, arXiv:1608.01041. The majority is taken as in the code that the authors published with
the votes: single votes are outliers and do not count; an emotion must have more than half of the votes that are left;
pictures without such a majority, and those that most people took for unknown or no face, are left out.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from edge_fer.card import Card
from edge_fer.errors import DataError
from edge_fer.judgement import Judgement, judge
from edge_fer.labelled import SPLITS, LabelledPicture
from edge_fer.metrics import FloatArray, Scores, negative_log_likelihood, score
from edge_fer.records import LABELS
from edge_fer.tflite import Network, softmax

EIGHT: Final[tuple[str, ...]] = (*LABELS, "contempt")
"""FER2013's seven emotions and the one that FER+ adds."""

_COLUMNS: Final = {
    "anger": "angry",
    "disgust": "disgust",
    "fear": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprise",
    "neutral": "neutral",
    "contempt": "contempt",
    "unknown": "unknown",
    "not_a_face": "not_a_face",
    "nf": "not_a_face",
}


@dataclass(frozen=True, slots=True)
class Majorities:
    """What most people saw, by picture: the files' paths, or the lines of `fer2013.csv`.

    The value is an emotion, or why the picture is left out: "no majority", "unknown", "not_a_face".
    """

    by_path: dict[str, str]
    by_line: dict[int, str]

    def of(self, picture: LabelledPicture, split: str | None) -> str:
        """The picture's majority, or "no votes"."""
        _, _, line = picture.source.rpartition(":")
        if line.isdecimal():
            return self.by_line.get(int(line), "no votes")
        folders = SPLITS[split] if split else frozenset[str]()
        for path in (picture.source, *(f"{folder}/{picture.source}" for folder in folders)):
            if path in self.by_path:
                return self.by_path[path]
        return "no votes"


def read_majorities(votes: Path) -> Majorities:
    """Read a table of votes.

    Args:
        votes: CSV with a column per emotion; pictures are told by the column filename, or by their line as in FER+'s
            own `fer2013new.csv`, whose line n is line n of `fer2013.csv`.

    Raises:
        DataError: there is no such file, or it is no table of votes.
    """
    try:
        file = votes.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise DataError(f"{votes}: cannot be read: {error.strerror}") from error
    by_path, by_line = {}, {}
    with file:
        rows = csv.DictReader(file)
        columns = {name: _COLUMNS[name.strip().lower()] for name in rows.fieldnames or () if _is_known(name)}
        if missing := set(_COLUMNS.values()).difference(columns.values()):
            raise DataError(f"{votes}:1: no column for {', '.join(sorted(missing))}: this is no table of FER+ votes")
        for row in rows:
            try:
                counts = {label: float(row[name]) for name, label in columns.items()}
            except (TypeError, ValueError):
                raise DataError(f"{votes}:{rows.line_num}: votes are not all numbers") from None
            if name := row.get("filename"):
                by_path[_folder_in_lower_case(name)] = majority(counts)
            else:
                by_line[rows.line_num] = majority(counts)
    return Majorities(by_path, by_line)


def majority(counts: dict[str, float]) -> str:
    """What more than half of the people saw, single votes left out; "no majority" if nothing."""
    counted = {label: count for label, count in counts.items() if count > 1}
    best = max(counted, key=counted.__getitem__, default=None)
    return best if best is not None and counted[best] > sum(counted.values()) / 2 else "no majority"


def relabel(
    pictures: Sequence[LabelledPicture], majorities: Majorities, split: str | None
) -> tuple[list[LabelledPicture], dict[str, int]]:
    """Give every picture the label that most people gave it.

    Returns:
        The pictures that have one, and how many were left out for which reason.

    Raises:
        DataError: hardly any picture has votes.
    """
    seen = [majorities.of(picture, split) for picture in pictures]
    without = seen.count("no votes")
    if without > len(pictures) / 2:
        raise DataError(f"only {len(pictures) - without} of {len(pictures)} pictures have votes: is it their table?")
    kept = [replace(one, label=label) for one, label in zip(pictures, seen, strict=True) if label in EIGHT]
    return kept, dict(sorted(Counter(label for label in seen if label not in EIGHT).items()))


def _is_known(column: str) -> bool:
    return column.strip().lower() in _COLUMNS


def _folder_in_lower_case(path: str) -> str:
    folder, slash, rest = path.partition("/")
    return f"{folder.lower()}{slash}{rest}" if folder.lower() in frozenset().union(*SPLITS.values()) else path


def protocol(card: Card) -> str:
    """In words: how pictures get their label, and how the model's answer becomes one of the eight."""
    taken = (
        "single votes do not count, more than half of the rest must agree; pictures without such a majority, of "
        "unknown emotion or of no face are left out"
    )
    said = (
        f"the eight are a linear map of the network's {len(card.labels)} logits, fitted on {head.pictures} training "
        "pictures"
        if (head := card.votes_head) is not None
        else "an emotion for which the model has no label counts as judged wrongly"
    )
    return f"FER+ majority of eight emotions (Barsoum et al. 2016): {taken}; {said}"


def judge_by_votes(
    network: Network, card: Card, pictures: Sequence[LabelledPicture]
) -> tuple[Judgement, FloatArray, Scores]:
    """Judge pictures that may show one of the eight emotions.

    Returns:
        The network's judgement, probabilities of the eight, float (n, 8), and the scores. Without a head for votes in
        the card, the likelihood alone is of the pictures whose label the model has, else it were infinite.

    Raises:
        DataError: a picture cannot be read or has another label, or the model says something else.
    """
    judgement = judge(network, card, pictures, EIGHT)
    head, truth = card.votes_head, judgement.truth
    if head is not None:
        logits = judgement.logits @ np.array(head.weights).T + np.array(head.biases)
        probabilities = spread(softmax(logits), head.labels, EIGHT)
        return judgement, probabilities, score(probabilities, truth, EIGHT)
    probabilities = spread(softmax(judgement.logits, card.temperature), card.labels, EIGHT)
    known = np.isin(truth, [EIGHT.index(label) for label in card.labels])
    likelihood = negative_log_likelihood(probabilities[known], truth[known])
    return judgement, probabilities, replace(score(probabilities, truth, EIGHT), nll=likelihood)


def spread(probabilities: FloatArray, model: Sequence[str], labels: Sequence[str]) -> FloatArray:
    """Probabilities of a model's labels as those of other labels; one that the model lacks is never likely.

    Args:
        probabilities: float (n, model's labels).
        model: the model's labels.
        labels: the other ones.

    Returns:
        float (n, labels).

    Raises:
        DataError: the model has a label that is none of the others.
    """
    if odd := [label for label in model if label not in labels]:
        raise DataError(f"the model says {', '.join(odd)}, which is none of {', '.join(labels)}")
    columns = np.zeros((len(probabilities), len(labels)))
    columns[:, [labels.index(label) for label in model]] = probabilities
    return columns
