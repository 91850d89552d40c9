"""The command line of the trainer: the only place that reads arguments, configures logging and exits."""

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from edge_fer import arguments
from edge_fer.errors import ConfigError, EdgeFerError

from .data.options import DataOptions
from .options import add_options, given_options
from .recipe import RECIPES, Recipe, load_recipe
from .steps import plan

_COMMANDS = """\
commands:
  (none)     train: edge-fer-train --data DIR --net edge --epochs 24 --out RUN
  compare    train several nets on the same split with the same budget
  predict    classify pictures that have no labels
  augment    a picture of what augmentation does to eight samples
  shard      write a data set as tar shards, to train on more pictures than memory holds
  benchmark  how fast batches are made, and how fast a net consumes them
  detector   train the face detector on scenes with a teacher's boxes

KERAS_BACKEND=tensorflow (default), jax or torch chooses the engine. Several processes or hosts train together with
KERAS_BACKEND=jax, KERAS_DISTRIBUTION_JOB_ADDRESSES=HOST:PORT (of process 0), KERAS_DISTRIBUTION_NUM_PROCESSES and
KERAS_DISTRIBUTION_PROCESS_ID, each started with the same command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = {"compare": _compare, "predict": _predict, "augment": _augment, "benchmark": _benchmark, "shard": _shard}
    commands |= {"detector": _detector}
    command = commands[words.pop(0)] if words and words[0] in commands else _train
    sys.path.append(str(Path.cwd()))  # a user's own net, module:function, lies where the command is started
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow tells every start of its CPU's features
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        command(words)
    except EdgeFerError as error:
        print(f"edge-fer-train: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        goes_on = "; the same command goes on where it was" if command in _RESUMED else ""
        print(f"\nedge-fer-train: stopped{goes_on}", file=sys.stderr)  # noqa: T201
        return 128 + signal.SIGINT
    return 0


def _train(words: Sequence[str]) -> None:
    parser = _parser("", "Train a network on pictures of faces.")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder; a killed run in it goes on")
    parser.add_argument("--h5", action="store_true", help="save the best model as model.h5 as well")
    parser.add_argument("--tensorboard", action="store_true", help="write TensorBoard logs to RUN/tensorboard")
    options = parser.parse_args(words)
    recipe, data = _recipe(options), _data_options(options)
    steps = plan(options.recipe or "options", recipe, options.out)

    from .data.source import load  # noqa: PLC0415  --help needs none of it
    from .distribute import alone, join  # noqa: PLC0415  --help needs none of it
    from .fit import check, train  # noqa: PLC0415  --help needs none of it
    from .report import is_reported, write_report  # noqa: PLC0415  --help needs none of it

    log = logging.getLogger(__name__)
    share = join(*(step.recipe.batch_size for step in steps))
    dataset = load(options.data, data, recipe.size)
    voted = any(one.recipe.use_votes != "none" for one in steps)  # if none does, votes are refused, not hidden
    pictures = [dataset.without_votes() if voted and one.recipe.use_votes == "none" else dataset for one in steps]
    for step, seen in zip(steps, pictures, strict=True):
        check(step.recipe, seen, step.run)
    log.info("%s", dataset.describe())
    for number, (step, seen) in enumerate(zip(steps, pictures, strict=True), start=1):
        if len(steps) > 1:
            log.info("%s, training %d of %d, in %s", step.name, number, len(steps), step.run)
        net = train(step.recipe, seen, step.run, share=share, legacy_h5=options.h5, tensorboard=options.tensorboard)
        if share.writes and not is_reported(step.run):
            with alone():
                write_report(step.run, net, recipe=step.recipe, dataset=seen, source=options.data, options=data)


def _compare(words: Sequence[str]) -> None:
    parser = _parser("compare", "Train several nets on the same split with the same budget: one table, one plot.")
    parser.add_argument("--nets", required=True, help="built-in nets, or module:function, with commas between")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="folder of the table, the plot and one run each"
    )
    options = parser.parse_args(words)
    recipe, data = _recipe(options), _data_options(options)

    from .compare import compare  # noqa: PLC0415  --help needs none of it
    from .data.source import load  # noqa: PLC0415  --help needs none of it

    dataset = load(options.data, data, recipe.size)
    compare(options.nets.split(","), recipe, dataset, options.out)


def _predict(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser("edge-fer-train predict", description="Classify pictures that have no labels.")
    parser.add_argument("model", type=Path, help="RUN/model.keras, with run.json beside it")
    parser.add_argument("--data", required=True, help="test.csv with a column pixels, or a folder or zip of pictures")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="CSV", help="submission: one row per picture, in order"
    )
    options = parser.parse_args(words)

    from .submission import write_submission  # noqa: PLC0415  --help needs none of it

    write_submission(options.model, options.data, options.out)


def _augment(words: Sequence[str]) -> None:
    parser = _parser("augment", "A picture of what augmentation does to eight samples.")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG", help="the picture")
    options = parser.parse_args(words)
    recipe, data = _recipe(options), _data_options(options)

    from .data.source import load  # noqa: PLC0415  --help needs none of it
    from .plots import save_augmentation  # noqa: PLC0415  --help needs none of it

    save_augmentation(options.out, load(options.data, data, recipe.size).train, recipe)


def _benchmark(words: Sequence[str]) -> None:
    parser = _parser("benchmark", "How many pictures per second the input makes and the net consumes.")
    options = parser.parse_args(words)
    recipe, data = _recipe(options), _data_options(options)

    from .benchmark import benchmark  # noqa: PLC0415  --help needs none of it
    from .data.source import load  # noqa: PLC0415  --help needs none of it

    benchmark(recipe, load(options.data, data, recipe.size))


def _shard(words: Sequence[str]) -> None:
    parser = _parser("shard", "Write a data set as tar shards, which training streams through.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder; then train with --data DIR")
    parser.add_argument(
        "--per-shard", type=arguments.count, default=10_000, metavar="N", help="pictures per tar file (%(default)s)"
    )
    options = parser.parse_args(words)
    recipe, data = _recipe(options), _data_options(options)

    from .data.shards import write_shards  # noqa: PLC0415  --help needs none of it
    from .data.source import load  # noqa: PLC0415  --help needs none of it

    write_shards(load(options.data, data, recipe.size), options.out, options.per_shard)


def _detector(words: Sequence[str]) -> None:
    from .detector.command import run  # noqa: PLC0415  has options of its own

    run(words)


def _parser(command: str, description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        f"edge-fer-train {command}".rstrip(),
        description=description,
        epilog=_COMMANDS if not command else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", required=True, help="folder, zip archive, CSV file, or kaggle:owner/name; its format is found out"
    )
    known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
    parser.add_argument("--recipe", default="", help=f"YAML file, or a published recipe: {known}")
    add_options(parser, DataOptions, "data")
    add_options(parser, Recipe, "recipe (each overrides what --recipe says)")
    return parser


def _recipe(options: argparse.Namespace) -> Recipe:
    return load_recipe(options.recipe, given_options(options, Recipe))


def _data_options(options: argparse.Namespace) -> DataOptions:
    try:
        return DataOptions.model_validate(given_options(options, DataOptions))
    except ValidationError as error:
        raise ConfigError(*(f"--{str(e['loc'][0]).replace('_', '-')}: {e['msg']}" for e in error.errors())) from error


_RESUMED = (_train, _compare, _detector)


if __name__ == "__main__":
    sys.exit(main())
