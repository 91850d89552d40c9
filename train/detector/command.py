"""The command line of the detector's trainer, `edge-fer-train detector`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..options import add_options, given_options  # noqa: TID252  installed under another name
from .recipe import DetectorRecipe, load_recipe


def run(words: Sequence[str]) -> None:
    """Train the detector.

    Raises:
        EdgeFerError: options, recipe or data are not what they must be.
    """
    parser = argparse.ArgumentParser(
        "edge-fer-train detector", description="Train the face detector on scenes with a teacher's boxes."
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="folder with scenes.zip, scenes.csv and faces.csv"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder; a killed run in it goes on")
    parser.add_argument("--recipe", type=Path, metavar="YAML", help="recipe file (default: the published one)")
    parser.add_argument(
        "--processes", type=int, default=0, metavar="N", help="that make pictures beside the training (%(default)s)"
    )
    add_options(parser, DetectorRecipe, "recipe (each overrides what --recipe says)")
    options = parser.parse_args(words)
    recipe = load_recipe(options.recipe, given_options(options, DetectorRecipe))

    from .fit import train  # noqa: PLC0415  --help needs none of it

    train(recipe, options.data, options.out, processes=options.processes)
