import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_fer.card import Card, find_model, load_model_files, shipped_models
from edge_fer.errors import ModelError
from edge_fer.preprocess import CropMargin, to_model_input
from edge_fer.records import LABELS
from edge_fer.tflite import Network

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    for ending in ("tflite", "json"):
        shutil.copy(FIXTURES / f"tiny.{ending}", tmp_path)
    return tmp_path / "tiny.tflite"


@pytest.fixture
def edit_card(model: Path) -> Callable[..., None]:
    def edit(**changes: Any) -> None:
        path = model.with_suffix(".json")
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


def refusal(model: Path) -> str:
    with pytest.raises(ModelError) as error:
        load_model_files(model)
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence.replace(f"{model.parent}/", "")


def test_a_pair_that_agrees_is_loaded(model: Path) -> None:
    card, content = load_model_files(model)
    assert content == model.read_bytes()
    assert card.labels == LABELS
    assert card.input_size == (48, 48)
    assert card.crop_margins["yunet"] == CropMargin(scale=1.1, shift_y=0.0)
    assert card.sha256 == hashlib.sha256(content).hexdigest()


def test_a_card_survives_being_written(model: Path) -> None:
    card, _ = load_model_files(model)
    assert Card.model_validate_json(card.to_json()) == card


def test_a_model_that_is_not_there(model: Path) -> None:
    model.unlink()
    assert refusal(model) == "tiny.tflite: the model cannot be read: No such file or directory"


def test_an_empty_model(model: Path) -> None:
    model.write_bytes(b"")
    assert refusal(model) == "tiny.tflite: the file is empty; copy or download the model again"


def test_something_else_than_a_model(model: Path) -> None:
    model.write_bytes(b"<!DOCTYPE html><html>404</html>")
    assert refusal(model) == "tiny.tflite: this is not a TFLite model; a model is made by edge-fer-quantize"


def test_a_model_that_was_cut_short(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-100])
    assert refusal(model).startswith("tiny.json: this card belongs to another model: it names sha256 88a08f11b165…, ")


def test_the_card_of_another_model(model: Path, edit_card: Callable[..., None]) -> None:
    edit_card(sha256="0" * 64)
    assert refusal(model) == (
        "tiny.json: this card belongs to another model: it names sha256 000000000000…, but tiny.tflite has "
        "88a08f11b165…; copy both files of one model"
    )


def test_a_missing_card(model: Path) -> None:
    model.with_suffix(".json").unlink()
    assert refusal(model) == "tiny.json: the model's card is missing; a model is NAME.tflite and NAME.json"


def test_a_card_that_is_no_json(model: Path) -> None:
    model.with_suffix(".json").write_text('{\n "labels": [}\n')
    assert refusal(model).startswith("tiny.json:2: the model's card is no valid JSON: ")


def test_a_card_that_is_no_text(model: Path) -> None:
    model.with_suffix(".json").write_bytes(b"\xff\xfe\x00")
    assert refusal(model).startswith("tiny.json: the model's card cannot be read: ")


def test_a_card_of_a_later_format(model: Path, edit_card: Callable[..., None]) -> None:
    edit_card(format=2, something_new=True)
    assert refusal(model) == "tiny.json: the card has format 2, but this version of edge-fer reads format 1"


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"temperature": 0}, "temperature: "),
        ({"temperature": "warm"}, "temperature: "),
        ({"labels": ["happy", "happy"]}, "labels: "),
        ({"labels": ["happy"]}, "labels: "),
        ({"input_size": [48]}, "input_size.1: "),
        ({"crop_margins": {"yunet": {"scale": 1.1}}}, "crop_margins.yunet.shift_y: "),
        ({"surprise": 1}, "surprise: "),
        ({"name": "../emotion"}, "name: "),
    ],
)
def test_a_card_that_says_something_impossible(
    model: Path, edit_card: Callable[..., None], changes: dict[str, Any], where: str
) -> None:
    edit_card(**changes)
    assert refusal(model).startswith(f"tiny.json: not a valid model card: {where}")


def test_a_card_that_is_a_list(model: Path) -> None:
    model.with_suffix(".json").write_text("[]")
    assert refusal(model).startswith("tiny.json: not a valid model card: card: ")


@pytest.mark.parametrize("name", shipped_models())
def test_a_shipped_model_is_found_by_its_name_and_agrees_with_its_card(name: str) -> None:
    card, content = load_model_files(find_model(name))
    assert card.name == name
    assert card.labels == LABELS
    assert {"yunet", "haar"} <= card.crop_margins.keys()
    assert card.scores["validation"].n == 3589
    assert card.float_operators == ()
    assert card.size_bytes == len(content)
    pixels = np.random.default_rng(0).integers(0, 256, card.input_size, dtype=np.uint8)
    logits = Network(content, card).logits(to_model_input(pixels))  # checks the input's scale and zero point, too
    assert np.ptp(logits) > 0


def test_the_models_that_ship() -> None:
    largest_bytes = {"emotion": 1_000_000, "nano": 350_000}
    sizes = {name: path.stat().st_size for name, path in shipped_models().items()}
    assert "emotion" in sizes
    assert all(size <= largest_bytes[name] for name, size in sizes.items())


def test_what_ships_names_no_place_on_the_machine_that_made_it() -> None:
    for path in find_model("emotion").parent.rglob("*.*"):
        assert b"/home/" not in path.read_bytes()
        assert b"/tmp/" not in path.read_bytes()


def test_a_path_is_taken_as_it_is() -> None:
    assert find_model("./mine.tflite") == Path("mine.tflite")
    assert find_model("models/mine.tflite") == Path("models/mine.tflite")


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ModelError) as error:
        find_model("emotoin")
    assert str(error.value) == (
        f"there is no shipped model called 'emotoin': shipped are {', '.join(shipped_models())}; "
        "a model of your own is given as path/to/NAME.tflite"
    )
