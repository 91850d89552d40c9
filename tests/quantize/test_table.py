import json
import shutil
from pathlib import Path

import pytest

from edge_fer.card import read_card
from edge_fer.judgement import judge
from edge_fer.labelled import find_labelled
from edge_fer.tflite import Network
from edge_fer_quantize.__main__ import main

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    """A second model, counted on a core."""
    shutil.copy(TINY, tmp_path / "nano.tflite")
    card = json.loads(TINY.with_suffix(".json").read_text())
    latency = {"p50_ms": 0.25, "p90_ms": 0.5, "threads": 1, "cpu": "Some CPU", "runtime": "litert"}
    card |= {"name": "nano", "instructions": {"cortex-a72": 9_876_543}, "latency": latency}
    (tmp_path / "nano.json").write_text(json.dumps(card))
    return tmp_path / "nano.tflite"


def test_models_stand_side_by_side_with_their_commands(
    faces: Path, nano: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    votes = tmp_path / "votes.csv"
    header = "filename,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,not_a_face\n"
    votes.write_text(header + "".join(f"validation/happy/{n:02}.png,0,10,0,0,0,0,0,0,0,0\n" for n in range(8)))
    assert main(["table", str(TINY), str(nano), "--data", str(faces), "--votes", str(votes)]) == 0
    lines = capsys.readouterr().out.splitlines()
    card, pictures = read_card(TINY.with_suffix(".json")), find_labelled(faces, "validation")
    judgement = judge(Network(TINY.read_bytes(), card), card, pictures)
    said = judgement.logits.argmax(axis=1)
    own = (said == judgement.truth).mean()
    happy = (said[judgement.truth == card.labels.index("happy")] == card.labels.index("happy")).mean()
    assert lines[0] == "| | `tiny` | `nano` |"
    assert lines[2].startswith(f"| FER2013 validation, n = 16 | **{own:.1%}** (")
    assert lines[3].startswith(f"| FER+ majority of eight, n = 8 | **{happy:.1%}** (")
    size = f"{TINY.stat().st_size:,}"
    assert f"| bytes | {size} | {size} |" in lines
    assert "| ms per face, one thread, Some CPU |  | 0.250 |" in lines
    assert "| M instructions per face, cortex-a72 |  | 9.88 |" in lines
    assert f"    edge-fer evaluate {faces.name} --split validation --votes votes.csv --model nano" in lines
    assert "    edge-fer-quantize card edge_fer/models/tiny.tflite" in lines
