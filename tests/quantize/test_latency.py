import json
import shutil
from pathlib import Path

import pytest

from edge_fer import board
from edge_fer.card import load_model_files, read_card
from edge_fer.errors import DataError
from edge_fer.tflite import runtime_version
from edge_fer_quantize.__main__ import main
from edge_fer_quantize.latency import measure_latency, read_instructions

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


def test_the_median_is_measured_and_says_on_what() -> None:
    card, content = load_model_files(TINY)
    latency = measure_latency(content, card)
    assert 0.001 < latency.p50_ms <= latency.p90_ms < 100
    assert (latency.threads, latency.cpu, latency.runtime) == (1, board.model_name(), runtime_version())


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    path = tmp_path / "counts.json"
    path.write_text(
        json.dumps(
            {
                "counts": {
                    "cortex-a53": {"tiny: invoke": 900, "tiny: logits": 1000, "emotion: logits": 5},
                    "cortex-a72": {"tiny: invoke": 700, "tiny: logits": 800, "emotion: logits": 4},
                },
                "versions": {"numpy": "2.4.6"},
            }
        )
    )
    return path


def test_the_command_times_and_notes_counts_in_card_and_text(tmp_path: Path, counts: Path) -> None:
    for ending in ("tflite", "json"):
        shutil.copy(TINY.with_suffix(f".{ending}"), tmp_path)
    before = read_card(TINY.with_suffix(".json"))
    assert main(["card", str(tmp_path / "tiny.tflite"), "--instructions", str(counts)]) == 0
    card, _ = load_model_files(tmp_path / "tiny.tflite")
    assert card.latency is not None
    assert card.instructions == {"cortex-a53": 1000, "cortex-a72": 800}
    assert card.model_copy(update={"latency": None, "instructions": {}}) == before
    text = (tmp_path / "MODEL_CARD.md").read_text()
    assert f"| {card.latency.p50_ms:.3f} ms (median), {card.latency.p90_ms:.3f} ms (p90) |" in text
    assert main(["card", str(tmp_path / "tiny.tflite")]) == 0  # times anew, counts stay
    assert read_card(tmp_path / "tiny.json").instructions == card.instructions


def test_counts_that_are_none(tmp_path: Path, counts: Path) -> None:
    with pytest.raises(DataError, match=r"counts\.json: there is no 'nano: logits' in it: count that model, too"):
        read_instructions(counts, "nano")
    with pytest.raises(DataError, match=r"none\.json: cannot be read: No such file"):
        read_instructions(tmp_path / "none.json", "tiny")
    counts.write_text("[1, 2]")
    with pytest.raises(DataError, match=r"counts\.json: no counts of instructions by processor core"):
        read_instructions(counts, "tiny")
