"""From tracked faces to calibrated probabilities."""

from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_fer.card import Card
from edge_fer.errors import ModelError
from edge_fer.preprocess import CropMargin, crop_face, lighten, to_model_input
from edge_fer.records import Emotion, Frame, Track
from edge_fer.tflite import softmax


class Network(Protocol):
    """Runs the classifier on one face."""

    def logits(self, batch: NDArray[np.int8]) -> NDArray[np.float32]:
        """Logits, float32 (labels,), of a crop, int8 (1, height, width, 1)."""
        ...


class Classifier:
    """Says which emotion each tracked face shows.

    Args:
        network: runs the model.
        card: the model's card.
        detector: name of the detector whose boxes come in; the card knows how to frame them.

    Raises:
        ModelError: the card has no crop margin for the detector.
    """

    def __init__(self, network: Network, card: Card, *, detector: str) -> None:
        self.labels = card.labels
        self._network = network
        self._margin = crop_margin(card, detector)
        self._size = card.input_size
        self._temperature = card.temperature

    def classify(
        self, frame: Frame, tracks: Iterable[Track], lap: Callable[[str], object] = lambda _stage: None
    ) -> list[Emotion]:
        """Judge faces of tracks that are seen; one that is only remembered has no picture here.

        Args:
            frame: where they are.
            tracks: whom to judge; asked for one after the other.
            lap: told of each face when it is cut out (`crop`) and when it is judged (`classify`).
        """
        return [self._judge(frame, track, lap) for track in tracks if track.seen]

    def _judge(self, frame: Frame, track: Track, lap: Callable[[str], object]) -> Emotion:
        crop = crop_face(frame.pixels, track.box, self._margin, self._size, roll_deg=track.roll_deg)
        batch = to_model_input(lighten(crop))
        lap("crop")
        scores = softmax(self._network.logits(batch), self._temperature)
        lap("classify")
        return Emotion(track.id, tuple(scores.tolist()))


def crop_margin(card: Card, detector: str) -> CropMargin:
    """How a detector's boxes become the model's crops.

    Raises:
        ModelError: the card does not say.
    """
    margin = card.crop_margins.get(detector)
    if margin is None:
        known = ", ".join(card.crop_margins) or "none"
        raise ModelError(
            f"model {card.name}: its card has no crop margin for detector {detector} (it has: {known}); "
            "`edge-fer-quantize fit-crop` adds one"
        )
    return margin
