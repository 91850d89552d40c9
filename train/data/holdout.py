"""Sets a share of the training pictures apart to select models by, when the source has none."""

import re
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from edge_fer.errors import DataError

from .dataset import Dataset


def hold_out_validation(dataset: Dataset, share: float, seed: int, subject_pattern: str) -> tuple[Dataset, str]:
    """Split `train` into `train` and `validation`, classes in proportion.

    Where every picture's file name tells its subject, no subject stands on both sides: a network that knows a face
    has not learned its emotion.

    Args:
        dataset: without a split `validation`.
        share: of the training pictures, above 0 and below 1.
        seed: the same seed gives the same split.
        subject_pattern: regular expression whose first group is the subject in a file's name.

    Returns:
        The data set with both splits, and a sentence on how they were made.

    Raises:
        DataError: a class or the subjects are too few to be split.
    """
    train = dataset.train
    matches = [re.match(subject_pattern, name.rsplit("/", 1)[-1]) for name in train.names]
    indices = np.arange(len(train))
    try:
        if all(matches):
            subjects = [m.group(1) for m in matches if m]
            folds = StratifiedGroupKFold(max(2, round(1 / share)), shuffle=True, random_state=seed)
            kept, held = next(folds.split(indices, train.labels, subjects))
            how = f"by subject ({len(set(subjects))} subjects found in the file names)"
        else:
            kept, held = train_test_split(indices, test_size=share, random_state=seed, stratify=train.labels)
            how = "stratified by class"
            if some := sum(map(bool, matches)):
                known = next(name for name, match in zip(train.names, matches, strict=True) if not match)
                how += f", not by subject, which {some} file names tell but {known} does not"
    except ValueError as error:
        raise DataError(f"{len(train)} pictures cannot be split into training and validation: {error}") from error
    split = replace(dataset, set_apart=True).with_split("train", train.take(np.sort(kept)))
    split = split.with_split("validation", train.take(np.sort(held)))
    return split, f"no validation split: {len(held)} of {len(train)} training pictures set apart, {how}, seed {seed}"
