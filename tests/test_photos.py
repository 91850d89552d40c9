"""Photographs that were not cropped by anybody: the daemon's detector, its crop, the shipped network."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_fer.card import shipped_models
from edge_fer.config import Config, DetectorConfig
from edge_fer.predict import predict
from edge_fer.records import Reading

pytestmark = pytest.mark.data

PHOTOS = {
    "angry.jpg": "angry",
    "happy-baby.jpeg": "happy",
    "neutral.jpeg": "neutral",
    "sad-baby.jpeg": "sad",
}


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("model", shipped_models())
def test_the_face_shows_what_the_photograph_is_named_after(data: Path, model: str, photo: str) -> None:
    [reading] = readings(data, model, photo)
    assert reading.emotion == PHOTOS[photo]


@pytest.mark.parametrize("model", shipped_models())
def test_a_bearded_face_under_a_hat_is_surprised_or_afraid(data: Path, model: str) -> None:
    # Half in the shade. Which of both is ahead changes with a pixel of framing, as between processors.
    [reading] = readings(data, model, "surprised.jpeg")
    likeliest = sorted(reading.scores, key=lambda emotion: -reading.scores[emotion])
    assert set(likeliest[:2]) == {"surprise", "fear"}


def readings(data: Path, model: str, photo: str) -> Sequence[Reading]:
    """The faces of a photograph, found by YuNet."""
    yunet = data / "models" / "face_detection_yunet_2023mar.onnx"
    config = Config(model=model, detector=DetectorConfig(kind="yunet", model=str(yunet)))
    [prediction] = predict([data / "photos" / photo], config)
    return prediction.readings
