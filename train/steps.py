"""The trainings that a recipe builds on: what it begins with, and what teaches it, may come of other recipes.

`start` and `teachers` name either a saved model (a file that ends in `.keras`, `.h5` or `.hdf5`) or a recipe, as
`--recipe` does. The run of a recipe that is named so lies beside the run that builds on it, in a folder of the
recipe's name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_fer.errors import ConfigError

from .recipe import Recipe, load_recipe

_SAVED = (".keras", ".h5", ".hdf5")


@dataclass(frozen=True, slots=True)
class Step:
    """One training on the way.

    Attributes:
        name: of its recipe.
        recipe: how.
        run: the run folder.
    """

    name: str
    recipe: Recipe
    run: Path


def plan(name: str, recipe: Recipe, run: Path) -> list[Step]:
    """The trainings that a recipe takes, each behind those that it builds on; the recipe's own is the last.

    Args:
        name: what the recipe is called where it is complained of.
        recipe: the last training.
        run: its run folder.

    Raises:
        ConfigError: a recipe is not there, builds on itself, or is for pictures of another size; or two would be
            trained in the same folder.
    """
    steps: list[Step] = []
    _add(Step(name, recipe, run), (), steps)
    return steps


def saved_model(reference: str, run: Path) -> Path:
    """Where the model lies that `start` or `teachers` names, for a recipe that is trained into the folder `run`."""
    return Path(reference) if is_saved_model(reference) else _run_of(reference, run) / "model.keras"


def is_saved_model(reference: str) -> bool:
    """Whether `start` or `teachers` names a file with it, not a recipe."""
    return reference.endswith(_SAVED)


def _add(step: Step, above: tuple[str, ...], steps: list[Step]) -> None:
    """Put a step behind those it builds on; `above` are the recipes that are being looked into on its behalf."""
    for reference in _recipes_of(step.recipe):
        if reference in above:
            raise ConfigError(f"{reference}: builds on itself ({' on '.join((*above, reference))}).")
        if Path(reference).is_dir():
            raise ConfigError(f"{reference}: a folder: name the model in it, such as {reference}/model.keras.")
        earlier = Step(reference, load_recipe(reference, {}), _run_of(reference, step.run))
        if earlier.recipe.size != step.recipe.size:
            raise ConfigError(
                f"{reference}: is for pictures of {earlier.recipe.size} pixels, {step.name}, which builds on it, "
                f"for {step.recipe.size}: give both the same size."
            )
        if (earlier.recipe, earlier.run) not in ((other.recipe, other.run) for other in steps):
            _add(earlier, (*above, reference), steps)
    for other in steps:
        if other.run.resolve() == step.run.resolve():
            remedy = "rename one of them" if above else "choose another --out"
            raise ConfigError(f"{step.run}: both {other.name} and {step.name} would be trained there: {remedy}.")
    steps.append(step)


def _recipes_of(recipe: Recipe) -> Iterator[str]:
    return (r for r in (recipe.start, *recipe.teachers) if r and not is_saved_model(r))


def _run_of(recipe: str, run: Path) -> Path:
    beside = run.parent if run.name not in {"", ".."} else run.resolve().parent
    return beside / Path(recipe).stem
