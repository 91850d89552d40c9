"""From what the user names with `--data` to splits of pictures: looks, says what it found, and never guesses."""

import hashlib
import logging
from pathlib import Path
from typing import Literal

from edge_fer.errors import DataError

from .cache import default_cache, load_cached, save_cached
from .dataset import Dataset, check_splits
from .duplicates import drop_duplicates, find_duplicates
from .folders import pictures_by_split, read_folders
from .holdout import hold_out_validation
from .kaggle import download
from .options import DataOptions
from .pixel_csv import csv_columns, read_pixel_csv
from .problems import Problems
from .shards import INDEX, read_shards
from .tree import Tree, open_tree
from .votes import add_votes

log = logging.getLogger(__name__)

Format = Literal["fer2013", "kaggle", "ckextended", "folders"]


def load(source: str, options: DataOptions, size: int) -> Dataset:
    """Read a data set.

    Args:
        source: a folder, a zip archive, a CSV file, a folder of shards, or `kaggle:owner/name`.
        options: format, what is left out, how splits are made.
        size: side in pixels that pictures are scaled to.

    Returns:
        A data set with `train` and `validation`, and `test` where the source has one.

    Raises:
        DataError: the source cannot be read, is ambiguous, or too much of it is unusable.
        DownloadError: it cannot be had from Kaggle.
    """
    path = download(source.removeprefix("kaggle:")) if source.startswith("kaggle:") else Path(source)
    if (path / INDEX).exists():
        if given := sorted(options.model_fields_set - {"cache"}):
            raise DataError(
                f"{path}: --{', --'.join(given).replace('_', '-')}: not with shards; "
                "what is left out and how splits are made is said when shards are written, and votes need all pictures."
            )
        log.info("%s: read as shards", path)
        dataset = read_shards(path, (size, size))
        if "validation" not in dataset.splits:
            raise DataError(f"{path}: no split validation: put one in before the shards are written.")
        return check_splits(dataset, str(path))
    tree = open_tree(path)
    layout, file = find_format(tree, options.format)
    log.info("%s: read as %s%s", path, layout, f" from {file}" if file and file != path.name else "")
    dataset, problems = _read_or_recall(tree, layout, file, options, size)
    for problem in problems[:20]:
        log.warning("left out: %s", problem)
    if len(problems) > 20:
        log.warning("left out: %d more", len(problems) - 20)
    dataset = _without_twins(dataset, drop=options.drop_duplicates)
    if "validation" not in dataset.splits:
        dataset, how = hold_out_validation(
            dataset, options.validation_share, options.split_seed, options.subject_pattern
        )
        log.info("%s", how)
        dataset = _without_twins(dataset, drop=options.drop_duplicates)
    if options.votes:
        dataset = add_votes(dataset, options.votes)
    return check_splits(dataset, str(path))


def _without_twins(dataset: Dataset, *, drop: bool) -> Dataset:
    """Warn of training pictures that stand in another split as well, and drop them if asked to."""
    duplicates = find_duplicates(dataset)
    if not duplicates:
        return dataset
    log.warning(
        "%d training pictures stand in another split as well, such as %s in %s (%s): %s",
        len(duplicates), duplicates[0].name, duplicates[0].split, duplicates[0].other,
        "dropped" if drop else "figures are flattered; drop them with --drop-duplicates",
    )  # fmt: skip
    return drop_duplicates(dataset, duplicates) if drop else dataset


def find_format(tree: Tree, wanted: str) -> tuple[Format, str | None]:
    """Find out what a source holds.

    Args:
        tree: the source.
        wanted: a format, or `auto`.

    Returns:
        The format, and for those in a CSV file its path in the tree.

    Raises:
        DataError: it holds nothing of the kind, or several.
    """
    tables = {p: csv_columns(tree, p) for p in tree.paths if p.lower().endswith(".csv")}
    labelled = [p for p, columns in tables.items() if {"emotion", "pixels"} <= set(columns)]
    has_folders = bool(pictures_by_split(tree))
    if wanted == "folders" or (wanted == "auto" and has_folders and not labelled):
        if not has_folders:
            raise DataError(f"{tree.root}: no pictures in folders named after emotions.")
        return "folders", None
    if wanted == "auto" and has_folders and labelled:
        raise DataError(f"{tree.root}: holds folders of pictures and {labelled[0]}: choose one with --format.")
    if len(labelled) > 1:
        raise DataError(f"{tree.root}: holds {' and '.join(labelled)}: name one of them with --data.")
    if not labelled:
        raise DataError(
            f"{tree.root}: neither pictures in folders named after emotions nor a CSV file with the columns "
            "emotion and pixels."
        )
    file = labelled[0]
    if wanted != "auto":
        return wanted, file  # type: ignore[return-value]  # "folders" was dealt with above
    if "usage" not in tables[file]:
        return "kaggle", file
    return ("ckextended" if file.rsplit("/", 1)[-1].lower().startswith("ck") else "fer2013"), file


def _read_or_recall(
    tree: Tree, layout: Format, file: str | None, options: DataOptions, size: int
) -> tuple[Dataset, list[str]]:
    """Read the source, or map what an earlier run decoded from the very same files."""
    exclude = _read_exclude(options.exclude)
    what = [str(tree.root.resolve()), tree.stamp(), layout, str(file), str(size), str(options.problem_limit)]
    key = hashlib.sha256("\n".join([*what, *sorted(exclude)]).encode()).hexdigest()[:32]
    folder = (options.cache or default_cache()) / key
    if exclude and file is not None:
        raise DataError(f"{options.exclude}: names pictures in folders; {file} has rows.")
    if exclude and not exclude.intersection(tree.paths):
        raise DataError(f"{options.exclude}: none of its {len(exclude)} paths is in {tree.root}.")
    if cached := load_cached(folder):
        log.info("decoded pictures taken from %s", folder)
        return cached
    problems = Problems(options.problem_limit)
    if file is None:
        dataset = read_folders(tree, (size, size), exclude, problems)
    else:
        dataset = read_pixel_csv(tree, file, layout, (size, size), problems)
    save_cached(folder, dataset, list(problems))
    return dataset, list(problems)


def _read_exclude(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        return frozenset(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file of paths to leave out.") from None
