import numpy as np
import pytest

from edge_fer.card import Calibration, Card, Latency, read_card, shipped_models
from edge_fer.metrics import score
from edge_fer.preprocess import CropMargin
from edge_fer_quantize.modelcard import render


@pytest.fixture
def card() -> Card:
    truth = np.repeat([0, 1], [90, 10])
    said = np.concatenate([np.zeros(95, int), np.ones(5, int)])
    return Card(
        name="mine",
        labels=("happy", "sad", "fear"),
        input_size=(48, 40),
        temperature=1.25,
        crop_margins={"haar": CropMargin(1.0, -0.02)},
        sha256="ab" * 32,
        size_bytes=312600,
        scores={"validation": score(np.eye(3)[said], truth, ("happy", "sad", "fear"))},
        calibration=Calibration(split="validation", nll_before=1.5, nll_after=1.25, ece_before=0.125, ece_after=0.0625),
        latency=Latency(p50_ms=0.25, p90_ms=0.5, threads=1, cpu="Some CPU", runtime="litert 2"),
        instructions={"cortex-a72": 9_876_543},
        quantization={"seed": 3},
        data="Pictures of noise.",
        training={"recipe": {"epochs": 9}},
    )


def test_it_says_what_the_card_says(card: Card) -> None:
    text = render([card])
    for line in (
        "# Model card: mine",
        "| input | one gray face crop, int8 1 x 48 x 40 x 1: gray value minus 128 |",
        "| size | 312,600 bytes |",
        "| operators in float | none |",
        f"| sha256 | `{'ab' * 32}` |",
        "| happy | 90 | 94.7% | 100.0% | 95.9% to 100.0% | 0.973 |",
        "| sad | 10 | 100.0% | 50.0% | 23.7% to 76.3% | 0.667 |",
        "| fear | 0 | 0.0% | 0.0% | - | 0.000 |",
        "| haar | 1.000 | -0.020 | | | | | |",
        "| Some CPU, one thread, litert 2 | 0.250 ms (median), 0.500 ms (p90) |",
        "| cortex-a72, emulated | 9.88 M instructions |",
        "Data: Pictures of noise.",
    ):
        assert f"{line}\n" in text
    assert "Accuracy **95.00%** (95 % interval 88.82% to 97.85%), macro F1 0.820, " in text
    assert "error 0.1250 before and 0.0625 after, negative log-likelihood 1.5000 before and 1.2500 after." in text
    assert '"epochs": 9' in text
    assert '"seed": 3' in text


def test_it_says_what_is_forbidden_and_what_the_model_cannot_do(card: Card) -> None:
    text = render([card])
    assert "Article 5(1)(f)" in text
    assert "**Not in workplaces or schools.**" in text
    assert "apparent expression, not feeling" in text


def test_a_card_with_next_to_nothing_has_a_text(card: Card) -> None:
    bare = Card(name="bare", labels=("a", "b"), input_size=(48, 48), sha256="0" * 64, size_bytes=1)
    text = render([bare])
    assert "Scores on" not in text
    assert "### Calibration" not in text
    assert "### Crops" not in text
    assert "### Time" not in text
    assert "| source revision | unknown |" in text


def test_the_models_of_a_folder_share_what_they_must_not_be_used_for(card: Card) -> None:
    text = render([card, card.model_copy(update={"name": "nano"})])
    assert text.startswith("# Model card: mine, nano\n\nGenerated from `mine.json`, `nano.json` by ")
    assert text.count("Article 5(1)(f)") == 1
    assert text.index("## The model mine\n") < text.index("## The model nano\n")


def test_the_text_that_ships_is_that_of_the_cards_that_ship() -> None:
    paths = shipped_models().values()
    text = next(iter(paths)).with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    anew = render([read_card(path.with_suffix(".json")) for path in paths])
    assert text == anew, "write it anew: edge-fer-quantize card edge_fer/models/NAME.tflite"
