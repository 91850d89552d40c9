"""Photographs that were not cropped by anybody: the daemon's detector, its crop, the shipped network."""

from pathlib import Path

import pytest

from edge_fer.card import shipped_models
from edge_fer.config import Config, DetectorConfig
from edge_fer.predict import predict

pytestmark = pytest.mark.data

PHOTOS = {
    "angry.jpg": "angry",
    "happy-baby.jpeg": "happy",
    "neutral.jpeg": "neutral",
    "sad-baby.jpeg": "sad",
    "surprised.jpeg": "surprise",
}

NOT_YET = {
    ("nano", "surprised.jpeg"): "a bearded face under a hat, half in the shade: fear ahead of surprise, and which of "
    "both is changes with a few pixels of framing"
}


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("model", shipped_models())
def test_the_face_shows_what_the_photograph_is_named_after(
    data: Path, request: pytest.FixtureRequest, model: str, photo: str
) -> None:
    if reason := NOT_YET.get((model, photo)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    yunet = data / "models" / "face_detection_yunet_2023mar.onnx"
    config = Config(model=model, detector=DetectorConfig(kind="yunet", model=str(yunet)))
    [prediction] = predict([data / "photos" / photo], config)
    assert [reading.emotion for reading in prediction.readings] == [PHOTOS[photo]]
