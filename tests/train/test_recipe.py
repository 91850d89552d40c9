import argparse
import re
from pathlib import Path

import pytest

from edge_fer.errors import ConfigError
from edge_fer_train.detector.recipe import DetectorRecipe
from edge_fer_train.options import add_options, given_options
from edge_fer_train.recipe import RECIPES, Recipe, Stage, load_recipe


def test_options_override_a_recipe_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 7\nnet_args: {widths: [8, 16], dropout: 0.1}\naugmentation: {flip: 0, rotate: 30}\n")
    recipe = load_recipe(str(file), {"net_args": {"dropout": 0.2}, "augmentation": {"rotate": "5"}})
    assert recipe.epochs == 7
    assert recipe.net_args == {"widths": [8, 16], "dropout": 0.2}
    assert (recipe.augmentation.flip, recipe.augmentation.rotate) == (0, 5)


def test_the_arguments_of_a_net_go_with_it() -> None:
    assert load_recipe("edge", {}).net_args
    assert load_recipe("edge", {"net": "edge"}).net_args == load_recipe("edge", {}).net_args
    assert load_recipe("edge", {"net": "simple"}).net_args == {}


def test_arguments_of_a_net_that_is_not_named_are_the_default_nets(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("net_args: {widths: [4], depths: [1]}\n")
    assert load_recipe(str(file), {"net": "edge"}).net_args == {"widths": [4], "depths": [1]}
    assert load_recipe(str(file), {"net": "simple"}).net_args == {}


def test_every_published_recipe_is_valid() -> None:
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    assert "edge" in names
    for name in names:
        load_recipe(name, {})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"epochs": 0}, "options: epochs: Input should be greater than or equal to 1"),
        ({"epoch": 3}, "options: epoch: Extra inputs are not permitted"),
        ({"augmentation": {"flip": 2}}, "options: augmentation.flip: Input should be less than or equal to 1"),
        ({"start_weight": 0.5}, "it needs start"),
        ({"monitor": "none", "early_stopping": 2}, "they need a monitor"),
        ({"reduce_on_plateau": 3}, "it needs schedule: constant"),
        ({"loss": "sparse", "label_smoothing": 0.1}, "need loss: categorical"),
    ],
)
def test_values_out_of_range_are_named(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        load_recipe("", values)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        load_recipe("", {"epochs": "many", "ema": 1})
    assert len(error.value.problems) == 2


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such recipe; built in are: .*edge"):
        load_recipe("absent", {})
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="a recipe is a mapping"):
        load_recipe(str(tmp_path / "list.yaml"), {})
    (tmp_path / "broken.yaml").write_text("a: [\n")
    with pytest.raises(ConfigError, match="no YAML"):
        load_recipe(str(tmp_path / "broken.yaml"), {})


def test_help_names_what_stands_behind_an_option() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, DetectorRecipe, "recipe")
    shown = parser.format_help()
    assert "[--sizes [SIZE ...]]" in shown
    assert "[--widths [WIDTH ...]]" in shown
    assert "[--steps-per-epoch N]" in shown
    assert "Size(" not in shown


def test_the_command_line_has_an_option_per_field() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Recipe, "recipe")
    words = "--epochs 3 --net-args widths=[8,16] dropout=0.5 --stages 5:1e-4 2:1e-5:head --mixup 0.3 --teachers a b"
    given = given_options(parser.parse_args(words.split()), Recipe)
    assert given == {
        "epochs": "3",
        "net_args": {"widths": [8, 16], "dropout": 0.5},
        "stages": [
            {"epochs": "5", "learning_rate": "1e-4"},
            {"epochs": "2", "learning_rate": "1e-5", "trainable": "head"},
        ],
        "augmentation": {"mixup": "0.3"},
        "teachers": ["a", "b"],
    }
    recipe = load_recipe("", given)
    assert recipe.stages == (
        Stage(epochs=5, learning_rate=1e-4),
        Stage(epochs=2, learning_rate=1e-5, trainable="head"),
    )
    assert given_options(parser.parse_args([]), Recipe) == {}
    assert load_recipe("ck-cnn", given_options(parser.parse_args(["--stages"]), Recipe)).stages == ()
