import json
from pathlib import Path

import pytest

from edge_fer.detect.edge import shipped_file
from edge_fer.detect.edge_card import EdgeCard, load_edge_files
from edge_fer_quantize.__main__ import main
from edge_fer_quantize.detectorcard import render


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped detector in a folder of its own."""
    for ending in (".tflite", ".json"):
        (tmp_path / f"edge{ending}").write_bytes(shipped_file().with_suffix(ending).read_bytes())
    return tmp_path


def figures(found: list[int], false_boxes: int) -> dict[str, object]:
    recall = sum(found[1:]) / 40
    return {"frames": 9, "faces": [5, 10, 10, 20], "found": found, "recall_from_16_px": recall,
            "false_boxes": false_boxes, "mean_iou": 0.8}  # fmt: skip


def test_it_notes_a_comparison_and_counts_and_says_so_to_people(folder: Path) -> None:
    nobody = {"frames": 7, "faces": [0] * 4, "found": [0] * 4, "recall_from_16_px": 0.0, "false_boxes": 3,
              "mean_iou": None}  # fmt: skip
    comparison = folder / "comparison.json"
    detectors = {
        "edge 320": {"ms": 0.25, "memory_mb": 80.4, "jitter": 0.01, "scenes": figures([1, 5, 9, 20], 2),
                     "nobody": nobody},
        "yunet 320": {"ms": 3.5, "memory_mb": 95.0, "jitter": None, "scenes": figures([4, 10, 10, 20], 0),
                      "nobody": nobody},
    }  # fmt: skip
    comparison.write_text(json.dumps({"cpu": "Some CPU", "detectors": detectors}))
    counts = folder / "counts.json"
    counts.write_text(json.dumps({"counts": {"cortex-a72": {"edge: 320x240": 23_456_789, "haar: 320x240": 5_000_000}}}))
    before, _ = load_edge_files(folder / "edge.tflite")
    arguments = ["--comparison", str(comparison), "--instructions", str(counts)]
    assert main(["detector-card", str(folder / "edge.tflite"), *arguments]) == 0
    card, _ = load_edge_files(folder / "edge.tflite")
    assert card.comparison == {"cpu": "Some CPU", "detectors": detectors}
    assert card.instructions == {"cortex-a72": {"edge: 320x240": 23_456_789, "haar: 320x240": 5_000_000}}
    kept = {"comparison": before.comparison, "instructions": before.instructions}
    assert card.model_copy(update=kept) == before
    text = (folder / "MODEL_CARD.md").read_text()
    for line in (
        "# Model card: the face detector edge",
        f"| sha256 | `{card.sha256}` |",
        "| | edge 320 | yunet 320 |",
        "| ms a frame | 0.25 | 3.50 |",
        "| peak memory, MB | 80 | 95 |",
        "| scenes (9 pictures) | 85.0%, 2 false | 100.0%, 0 false |",
        "| nobody (7 pictures) | no face, 3 false | no face, 3 false |",
        "| edge: 320x240 | 23.46 |",
        "| haar: 320x240 | 5.00 |",
    ):
        assert f"{line}\n" in text
    assert "Time and memory on Some CPU, one thread." in text


def test_it_says_of_held_out_scenes_how_many_faces_of_which_size_were_found() -> None:
    card, _ = load_edge_files(shipped_file())
    measured = {"held_out_320": {"frames": 8, "size_limits_px": [8, 16, 32, 64], "faces": [3, 4, 5, 0],
                                 "found": [0, 1, 4, 0], "false_boxes": 1, "mean_iou": 0.85}}  # fmt: skip
    text = render(card.model_copy(update={"measured": measured}))
    for line in (
        "## 320 pixels wide: held-out scenes",
        "| 8 to 16 px | 3 | 0 (0%) |",
        "| 16 to 32 px | 4 | 1 (25%) |",
        "| 32 to 64 px | 5 | 4 (80%) |",
        "| from 64 px | 0 | 0 (0%) |",
    ):
        assert f"{line}\n" in text
    assert (
        "8 scenes that training never saw, but on which the thresholds were found: 1 false boxes, mean overlap" in text
    )


@pytest.mark.data
def test_the_held_out_scenes_are_searched_anew(folder: Path, data: Path) -> None:
    """With what ships, that is what the card says already."""
    before, _ = load_edge_files(folder / "edge.tflite")
    (folder / "edge.json").write_text(before.model_copy(update={"measured": {}}).to_json())
    assert main(["detector-card", str(folder / "edge.tflite"), "--data", str(data / "faces")]) == 0
    card, _ = load_edge_files(folder / "edge.tflite")
    assert card.measured["held_out_320"]["frames"] == 814
    for searched, figures in card.measured.items():
        expected = before.measured[searched]
        assert figures == expected | {"mean_iou": pytest.approx(expected["mean_iou"], abs=2e-4)}  # floats, by processor
    assert card.model_copy(update={"measured": before.measured}) == before


def test_a_card_with_next_to_nothing_has_a_text() -> None:
    card, _ = load_edge_files(shipped_file())
    bare = EdgeCard(name="bare", sha256="0" * 64, size_bytes=1, offsets=card.offsets, factors=card.factors)
    text = render(bare)
    assert "| source revision | unknown |" in text
    for absent in ("Beside other detectors", "Instructions per frame", "held-out", "### Training", "Data: "):
        assert absent not in text


@pytest.mark.parametrize(
    ("option", "content", "complaint"),
    [
        ("--comparison", "[]", "no figures by name"),
        ("--comparison", "{}", "no comparison: give what tests/bench/detectors.py --json wrote"),
        ("--instructions", "{", "no JSON: Expecting property name"),
        (
            "--instructions",
            '{"counts": {"cortex-a72": {"emotion: logits": 1}}}',
            "nothing of edge: give what tests/pi/",
        ),
        ("--instructions", None, "cannot be read: No such file or directory"),
    ],
)
def test_other_files_are_refused_and_the_card_stays(
    folder: Path, option: str, content: str | None, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "other.json"
    if content is not None:
        file.write_text(content)
    before = (folder / "edge.json").read_bytes()
    assert main(["detector-card", str(folder / "edge.tflite"), option, str(file)]) == 1
    assert f"{file}: {complaint}" in capsys.readouterr().err
    assert (folder / "edge.json").read_bytes() == before
    assert not (folder / "MODEL_CARD.md").exists()


def test_the_text_that_ships_is_that_of_the_card_that_ships() -> None:
    card, _ = load_edge_files(shipped_file())
    text = shipped_file().with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert text == render(card), "write it anew: edge-fer-quantize detector-card edge_fer/models/detector/edge.tflite"
