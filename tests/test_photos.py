"""Photographs that were not cropped by anybody: the daemon's default detector, its crop, the shipped network."""

from pathlib import Path

import pytest

from edge_fer.card import shipped_models
from edge_fer.config import Config
from edge_fer.predict import find_inputs, predict

pytestmark = pytest.mark.data

PHOTOS = {
    "angry.jpg": "angry",
    "happy-baby.jpeg": "happy",
    "neutral.jpeg": "neutral",
    "sad-baby.jpeg": "sad",
    "surprised.jpeg": "surprise",
}

NOT_YET = {("nano", "surprised.jpeg"): "a bearded face under a hat: fear ahead of surprise"}


@pytest.mark.parametrize("photo", PHOTOS)
@pytest.mark.parametrize("model", shipped_models())
def test_the_face_shows_what_the_photograph_is_named_after(
    data: Path, request: pytest.FixtureRequest, model: str, photo: str
) -> None:
    if (model, photo) in NOT_YET:
        request.applymarker(pytest.mark.xfail(reason=NOT_YET[model, photo], strict=True))
    [prediction] = predict(find_inputs([data / "photos" / photo]), Config(model=model))
    assert [reading.emotion for reading in prediction.readings] == [PHOTOS[photo]]
