"""Fits a linear map from a network's logits to the emotions that FER+'s voters chose among.

FER2013's labels and the voters disagree by habit: most of what the one calls sad, fear or angry is neutral to the
others. Eight times seven weights and eight biases translate between the two, without another network.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sklearn.linear_model import LogisticRegression

from edge_fer.card import Card, VotesHead
from edge_fer.errors import DataError
from edge_fer.ferplus import EIGHT, read_majorities, relabel
from edge_fer.judgement import judge
from edge_fer.labelled import LabelledPicture
from edge_fer.tflite import Network

INVERSE_REGULARIZATION: Final = 0.1


def fit_votes_head(content: bytes, card: Card, train: Sequence[LabelledPicture], votes: Path) -> VotesHead:
    """Fit the map by multinomial logistic regression on what an int8 network says of training pictures.

    Args:
        content: the network's bytes.
        card: its card.
        train: labelled pictures of the training split.
        votes: FER+'s table of votes.

    Raises:
        DataError: pictures or votes are not what they must be, or an emotion has no majority in any picture.
    """
    pictures, _ = relabel(train, read_majorities(votes), "train")
    judgement = judge(Network(content, card), card, pictures, EIGHT)
    missing = [label for number, label in enumerate(EIGHT) if number not in judgement.truth]
    if missing:
        raise DataError(f"{votes}: no training picture in which most people saw {', '.join(missing)}")
    fitted = LogisticRegression(C=INVERSE_REGULARIZATION, max_iter=2000).fit(judgement.logits, judgement.truth)
    return VotesHead(
        labels=EIGHT,
        weights=tuple(tuple(round(float(weight), 5) for weight in row) for row in fitted.coef_),
        biases=tuple(round(float(bias), 5) for bias in fitted.intercept_),
        pictures=len(pictures),
    )
