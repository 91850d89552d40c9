from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.card import Card, read_card
from edge_fer.classify import Classifier
from edge_fer.errors import ModelError
from edge_fer.preprocess import CropMargin
from edge_fer.records import Box, Frame, GrayImage, Track


class Sees:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.batch: NDArray[np.int8] = np.zeros(0, np.int8)

    def logits(self, batch: NDArray[np.int8]) -> NDArray[np.float32]:
        self.batch = batch
        return np.zeros(7, np.float32)


@pytest.fixture
def card() -> Card:
    return read_card(Path(__file__).parent / "fixtures" / "tiny.json")


def seen(card: Card, pixels: GrayImage) -> NDArray[np.int64]:
    network = Sees()
    Classifier(network, card, detector="yunet").classify(Frame(pixels, 0.0, 0), [Track(1, Box(20, 20, 60, 60), 0.0)])
    return network.batch[0, :, :, 0].astype(np.int64) + 128


def test_a_face_in_the_dark_reaches_the_network_lightened(card: Card) -> None:
    bright = np.kron(np.random.default_rng(0).integers(0, 256, (10, 10)), np.ones((10, 10))).astype(np.uint8)
    by_day, by_night = seen(card, bright), seen(card, bright // 8)
    assert by_night.mean() == pytest.approx(130, abs=2)
    assert np.corrcoef(by_day.ravel(), by_night.ravel())[0, 1] > 0.97
    assert by_night.std() == pytest.approx(55, abs=4)


def test_a_tilted_face_reaches_the_network_upright(card: Card) -> None:
    pixels = np.zeros((100, 100), np.uint8)
    pixels[:, :50] = 200
    network = Sees()
    tilted = Track(1, Box(20, 20, 60, 60), 0.0, roll_deg=90.0)
    Classifier(network, card, detector="yunet").classify(Frame(pixels, 0.0, 0), [tilted])
    crop = network.batch[0, :, :, 0].astype(np.int64) + 128
    assert crop[:20].mean() == 0  # its top is to the right
    assert crop[-20:].mean() == 200


def test_a_detector_whose_boxes_the_card_cannot_frame(card: Card) -> None:
    card = card.model_copy(update={"crop_margins": {"haar": CropMargin(1.0, 0.0), "yunet": CropMargin(1.1, 0.0)}})
    with pytest.raises(ModelError) as error:
        Classifier(Sees(), card, detector="mine")
    assert str(error.value) == (
        "model tiny: its card has no crop margin for detector mine (it has: haar, yunet); "
        "`edge-fer-quantize fit-crop` adds one"
    )
