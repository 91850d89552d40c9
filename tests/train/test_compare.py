from pathlib import Path

import cv2
import pandas as pd
import pytest

from edge_fer.errors import ConfigError
from edge_fer_train.compare import compare
from edge_fer_train.data.dataset import Dataset
from edge_fer_train.recipe import Recipe


@pytest.mark.slow
def test_nets_are_laid_side_by_side(bands: Dataset, tmp_path: Path) -> None:
    recipe = Recipe(
        size=24, net_args={"widths": [4, 8], "depths": [1, 1]}, batch_size=32, epochs=1, precision="float32"
    )
    rows = compare(["edge", "simple"], recipe, bands, tmp_path)
    assert [row.net for row in rows] == ["edge", "simple"]
    assert rows[0].parameters == 4 * 9 + 4 * 8 * 9 + 4 * 4 + 4 * 8 + 8 * 3 + 3
    for row in rows:
        assert row.int8_kb is not None
        assert row.int8_kb * 1000 == (tmp_path / row.net / "int8" / "net.tflite").stat().st_size
        assert row.int8_ms is not None
        assert 0 < row.int8_ms < 100
        assert row.float_operators == 0
    table = pd.read_csv(tmp_path / "compare.csv")
    assert table["accuracy"].tolist() == [row.accuracy for row in rows]
    lines = (tmp_path / "compare.md").read_text().splitlines()
    assert lines[0].startswith("| net | accuracy | macro-F1 | parameters | MMAC |")
    assert lines[2].startswith(f"| edge | {rows[0].accuracy:.1%} | {rows[0].macro_f1:.3f} | 399 | 0.1 |")
    picture = cv2.imread(str(tmp_path / "compare.png"))
    assert picture is not None
    assert picture.std() > 10


@pytest.mark.parametrize(
    ("nets", "start", "sentence"),
    [
        (["edge", "absent"], "", "net absent: built in are"),
        (["edge"], "emotion", "emotion: compare trains no other recipes first: name a saved model"),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_trained(
    bands: Dataset, tmp_path: Path, nets: list[str], start: str, sentence: str
) -> None:
    recipe = Recipe(size=24, net_args={"widths": [4], "depths": [1]}, start=start, epochs=1)
    with pytest.raises(ConfigError, match=sentence):
        compare(nets, recipe, bands, tmp_path / "out")
    assert not (tmp_path / "out").exists()
