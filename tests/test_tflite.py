import os
import struct
from pathlib import Path

import numpy as np
import pytest

from edge_fer.card import Card, load_model_files
from edge_fer.errors import ModelError
from edge_fer.tflite import Network, _without_chatter, open_interpreter, runtime_version, softmax

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"
CARD, CONTENT = load_model_files(TINY)


def with_changes(**changes: object) -> Card:
    return CARD.model_copy(update=changes)


def refusal(content: bytes, card: Card) -> str:
    with pytest.raises(ModelError) as error:
        Network(content, card)
    return str(error.value)


def test_logits_are_the_dequantized_output() -> None:
    batch = np.random.default_rng(0).integers(-128, 128, (1, 48, 48, 1), dtype=np.int8)
    logits = Network(CONTENT, CARD).logits(batch)
    assert logits.dtype == np.float32
    assert logits.shape == (7,)
    interpreter = open_interpreter(CONTENT)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batch)
    interpreter.invoke()
    output = interpreter.get_output_details()[0]
    scale, zero_point = output["quantization"]
    codes = interpreter.get_tensor(output["index"])[0].astype(int)
    np.testing.assert_allclose(logits, (codes - zero_point) * scale, rtol=1e-6)
    assert np.ptp(codes) > 10  # it says something


def test_a_result_is_not_overwritten_by_the_next_call() -> None:
    network = Network(CONTENT, CARD)
    black, white = np.full((2, 1, 48, 48, 1), [[[[[-128]]]], [[[[127]]]]], np.int8)
    first = network.logits(black)
    kept = first.copy()
    assert network.logits(white).tolist() != kept.tolist()
    assert first.tolist() == kept.tolist()


def test_threads_change_no_result() -> None:
    batch = np.random.default_rng(1).integers(-128, 128, (1, 48, 48, 1), dtype=np.int8)
    assert Network(CONTENT, CARD, threads=2).logits(batch).tolist() == Network(CONTENT, CARD).logits(batch).tolist()


def test_a_card_with_other_labels() -> None:
    assert refusal(CONTENT, with_changes(labels=("happy", "sad"))) == (
        "the model 'tiny' gives 1x7, but its card names 2 labels (happy, sad): the two belong to different models"
    )


def test_a_card_with_another_input_size() -> None:
    assert refusal(CONTENT, with_changes(input_size=(64, 48))) == (
        "the model 'tiny' takes 1x48x48x1, but its card says 1x64x48x1: the two belong to different models"
    )


def test_a_damaged_model() -> None:
    assert refusal(CONTENT[:3000], CARD).startswith(
        "the TFLite runtime refuses the model, its file may be damaged: The model is not a valid Flatbuffer"
    )


def test_a_float_model() -> None:
    assert refusal((TINY.parent / "tiny_float.tflite").read_bytes(), CARD) == (
        "the model's input is float32, but the daemon runs int8 networks only: "
        "quantize the Keras model with edge-fer-quantize"
    )


def test_a_model_that_is_not_fed_with_gray_values() -> None:
    scale = struct.pack("<f", 1 / 255)
    assert CONTENT.count(scale) == 1
    assert refusal(CONTENT.replace(scale, struct.pack("<f", 2 / 255)), CARD) == (
        "the model 'tiny' takes gray values with scale 0.0078431 and zero point -128, but the daemon gives "
        "scale 1/255 and zero point -128: quantize it with edge-fer-quantize"
    )


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    open_interpreter(CONTENT)
    assert capfd.readouterr() == ("", "")


def test_what_others_print_while_a_model_loads_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_chatter():
        os.write(2, b"INFO: created something\nERROR: no such kernel\n")
    assert capfd.readouterr().err == "ERROR: no such kernel\n"


def test_chatter_beyond_all_bounds_stops_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with _without_chatter():
        os.write(2, b"ERROR: much\n" * 10000)  # as much of it as a pipe holds
        with pytest.raises(BlockingIOError):
            os.write(2, b"ERROR: more\n")
    os.write(2, b"\nlater\n")
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "ERROR: much"
    assert lines[-1] == "later"


def test_the_runtime_says_its_version() -> None:
    name, version = runtime_version().split()
    assert name in {"ai-edge-litert", "tflite-runtime"}
    assert version[0].isdigit()


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(softmax(np.log(np.array([1.0, 2.0, 5.0]))), [0.125, 0.25, 0.625])


def test_temperature_divides_the_logits() -> None:
    logits = np.array([[0.0, 2.0], [4.0, 0.0]], np.float32)
    np.testing.assert_allclose(softmax(logits, 2.0), softmax(logits / 2))


def test_softmax_of_large_logits_is_finite() -> None:
    assert softmax(np.array([1e4, 0.0])).tolist() == [1.0, 0.0]
