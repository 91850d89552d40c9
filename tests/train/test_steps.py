import re
from pathlib import Path

import numpy as np
import pytest

from edge_fer.errors import ConfigError
from edge_fer_train.__main__ import main
from edge_fer_train.data.dataset import VOTED, Dataset
from edge_fer_train.recipe import RECIPES, Recipe, load_recipe
from edge_fer_train.steps import plan, saved_model

FIRST = """\
size: 24
net_args: {widths: [4, 8], depths: [1, 1]}
batch_size: 16
precision: float32
epochs: 2
learning_rate: 0.02
"""
SECOND = f"{FIRST}ema: 0.9\nseed: 3\ndistill_weight: 0.5\n"


def test_what_ships_is_one_plan() -> None:
    steps = plan("nano", load_recipe("nano", {}), Path("runs/mine"))
    assert [(step.name, str(step.run)) for step in steps] == [
        ("emotion-votes", "runs/emotion-votes"),
        ("nano-first", "runs/nano-first"),
        ("edge", "runs/edge"),
        ("emotion-labels", "runs/emotion-labels"),
        ("nano-second", "runs/nano-second"),
        ("emotion-narrow", "runs/emotion-narrow"),
        ("emotion-wide", "runs/emotion-wide"),
        ("nano-third", "runs/nano-third"),
        ("nano-fourth", "runs/nano-fourth"),
        ("nano-fifth", "runs/nano-fifth"),
        ("emotion-shade", "runs/emotion-shade"),
        ("emotion-hats", "runs/emotion-hats"),
        ("nano", "runs/mine"),
    ]
    assert steps[2].recipe == load_recipe("edge", {})


def test_a_saved_model_is_no_step(tmp_path: Path) -> None:
    recipe = Recipe(start="a/model.keras", teachers=("old.h5",))
    assert [step.name for step in plan("mine", recipe, tmp_path)] == ["mine"]
    assert saved_model("a/model.keras", tmp_path) == Path("a/model.keras")
    assert saved_model("mine/first.yaml", tmp_path / "run") == tmp_path / "first" / "model.keras"


def test_earlier_runs_lie_beside_the_folder_one_is_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run" / "inner")
    assert saved_model("edge", Path()) == tmp_path / "run" / "edge" / "model.keras"
    assert saved_model("edge", Path("..")) == tmp_path / "edge" / "model.keras"


def test_one_recipe_by_two_names_is_one_step(tmp_path: Path) -> None:
    recipe = Recipe(start="edge", teachers=(str(RECIPES / "edge.yaml"),))
    assert [step.name for step in plan("mine", recipe, tmp_path / "run")] == ["edge", "mine"]


def test_a_recipe_may_be_taught_by_itself(tmp_path: Path) -> None:
    taught = load_recipe("edge", {"teachers": ("edge",)})
    assert [str(step.run) for step in plan("edge", taught, Path("runs/again"))] == ["runs/edge", "runs/again"]


def test_two_recipes_cannot_share_a_folder(tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "recipe.yaml").write_text(f"seed: {seed}")
    recipe = Recipe(start=f"{tmp_path}/a/recipe.yaml", teachers=(f"{tmp_path}/b/recipe.yaml",))
    with pytest.raises(ConfigError, match=r"a/recipe\.yaml and .*b/recipe\.yaml would be trained there: rename one of"):
        plan("mine", recipe, tmp_path / "run")


@pytest.mark.parametrize(
    ("first", "out", "sentence"),
    [
        ("start: FIRST", "run", r"FIRST: builds on itself (FIRST on FIRST)."),
        ("size: 32", "run", "FIRST: is for pictures of 32 pixels, mine, which builds on it, for 24"),
        ("start: absent", "run", "absent.yaml: no such recipe"),
        ("start: .", "run", ".: a folder: name the model in it, such as ./model.keras."),
        ("epochs: 0", "run", "FIRST: epochs: Input should be greater than or equal to 1"),
        ("size: 24", "first", "first: both FIRST and mine would be trained there: choose another --out."),
    ],
)
def test_plans_that_cannot_be_carried_out(tmp_path: Path, first: str, out: str, sentence: str) -> None:
    file = tmp_path / "first.yaml"
    file.write_text("size: 24\n" + first.replace("FIRST", str(file)).replace("size: 24", ""))
    with pytest.raises(ConfigError, match=re.escape(sentence.replace("FIRST", str(file)))):
        plan("mine", Recipe(size=24, start=str(file)), tmp_path / out)


@pytest.fixture
def votes(bands: Dataset, tmp_path: Path) -> Path:
    """A crowd that is sure of every picture."""
    file = tmp_path / "votes.csv"
    rows = [f"filename,{','.join(VOTED)}"]
    for split in ("train", "validation"):
        for name in bands.splits[split].names:
            label = name.partition("/")[0]
            rows.append(f"{split}/{name},{','.join('10' if v == label else '0' for v in VOTED)}")
    file.write_text("\n".join(rows))
    return file


@pytest.mark.slow
def test_one_command_trains_what_a_recipe_builds_on(bands_folder: Path, votes: Path, tmp_path: Path) -> None:
    """As if one had been trained after the other; and what is finished already stands."""
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(f"{FIRST}use_votes: targets\n")
    second.write_text(f"{SECOND}start: {first}\nteachers: [{first}]\n")
    common = ["--data", str(bands_folder), "--cache", str(tmp_path / "cache"), "--votes", str(votes)]
    chain, single = tmp_path / "chain", tmp_path / "single"
    assert main([*common, "--recipe", str(second), "--out", str(chain / "second")]) == 0

    assert main([*common, "--recipe", str(first), "--out", str(single / "first")]) == 0
    before = {p.name: p.stat().st_mtime_ns for p in (single / "first").iterdir()}
    assert main([*common, "--recipe", str(second), "--out", str(single / "second")]) == 0
    assert {p.name: p.stat().st_mtime_ns for p in (single / "first").iterdir()} == before
    for run in ("first", "second"):
        with np.load(chain / run / "checkpoint.npz") as one, np.load(single / run / "checkpoint.npz") as other:
            assert one.files == other.files
            for name in one.files:
                assert name == "state" or np.array_equal(one[name], other[name]), (run, name)
    assert {p.name for p in (chain / "first").iterdir()} == set(before)


def test_votes_that_an_early_step_needs_are_asked_for_at_once(
    bands_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text(FIRST)
    second.write_text(f"{SECOND}start: {first}\nuse_votes: targets\n")
    command = ["--data", str(bands_folder), "--cache", str(tmp_path / "cache"), "--recipe", str(second)]
    assert main([*command, "--out", str(tmp_path / "runs" / "second")]) == 2
    assert "use_votes: targets: the data has no votes: name their file with --votes." in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_a_late_step_would_refuse_is_told_before_the_first(
    bands_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run by another recipe in the folder of a later step, and a teacher that is not there."""
    first, other = tmp_path / "first.yaml", tmp_path / "other.yaml"
    first.write_text(FIRST)
    other.write_text(f"{FIRST}epochs: 1\n")
    common = ["--data", str(bands_folder), "--cache", str(tmp_path / "cache"), "--recipe"]
    runs = tmp_path / "runs"
    assert main([*common, str(other), "--out", str(runs / "other")]) == 0
    other.write_text(f"{FIRST}epochs: 3\n")
    last = [*common, str(first), "--out", str(runs / "last"), "--start", str(first)]
    assert main([*last, "--teachers", str(other)]) == 2
    assert "other holds a run by another recipe (epochs: 1 there, 3 here)" in capsys.readouterr().err
    absent = str(tmp_path / "absent.keras")
    assert main([*last, "--teachers", absent]) == 1
    assert f"{absent}: no such saved model: start and teachers name one, or a recipe." in capsys.readouterr().err
    assert not (runs / "first").exists()
