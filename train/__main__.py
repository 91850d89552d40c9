"""The command line of the trainer."""

import argparse
import logging
import os
import sys
from pathlib import Path

from edge_fer.errors import EdgeFerError


def main() -> int:
    """Run the command line; returns the exit status."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    parser = argparse.ArgumentParser(prog="edge-fer-train")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--exclude", type=Path)
    parser.add_argument("--recipe", default="")
    parser.add_argument("--net")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    from .data.folders import read_folders
    from .data.problems import Problems
    from .data.tree import open_tree
    from .fit import train
    from .recipe import load_recipe

    try:
        given = {k: v for k, v in vars(options).items() if k in {"net", "epochs"} and v is not None}
        recipe = load_recipe(options.recipe, given)
        exclude = frozenset(options.exclude.read_text().split() if options.exclude else ())
        problems = Problems(0.01)
        dataset = read_folders(open_tree(options.data), (recipe.size, recipe.size), exclude, problems)
        logging.getLogger(__name__).info("%s", dataset.describe())
        train(recipe, dataset, options.out)
    except EdgeFerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
