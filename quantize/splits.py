"""The pictures that a network is quantized with, and those it is judged by."""

from dataclasses import dataclass
from pathlib import Path

from edge_fer.errors import DataError
from edge_fer.labelled import SPLITS, LabelledPicture, find_labelled, has_splits, readable

SET_APART = "validation.txt"
"""What the trainer's run names its validation pictures in, where the data have no such split."""


@dataclass(frozen=True, slots=True)
class Splits:
    """Labelled pictures.

    Attributes:
        source: what they come from, for messages.
        train: what the network was trained on.
        validation: what it is judged by.
    """

    source: Path
    train: list[LabelledPicture]
    validation: list[LabelledPicture]


def find_splits(data: Path, run: Path | None = None, exclude: Path | None = None) -> Splits:
    """Find the training and the validation pictures, without those few that cannot be read.

    Args:
        data: labelled pictures, as `find_labelled` takes them.
        run: the trainer's run folder, which names the validation pictures if the data had none.
        exclude: a list of training pictures to leave out, as `without` takes it; they need not be readable.

    Raises:
        DataError: there are no such pictures or no such run, too many cannot be read, or those of the run are not
            among them.
    """
    if run is not None and not run.is_dir():
        raise DataError(f"{run}: there is no such folder")
    listing = run / SET_APART if run is not None else None
    if listing is None or not listing.exists():
        if not has_splits(data):
            raise DataError(
                f"{data}: it has no splits: name with --run the trainer's run, which set pictures apart"
                if listing is None
                else f"{data}: it has no splits, and {listing} is not there to say what was set apart"
            )
        train, validation = (find_labelled(data, split) for split in ("train", "validation"))
        return Splits(data, readable(without(train, exclude), data), readable(validation, data))
    names = {_short(line) for line in listing.read_text(encoding="utf-8").splitlines()}
    pictures = find_labelled(data, "train" if has_splits(data) else None)
    validation = [one for one in pictures if one.source in names]
    if len(validation) < len(names):
        raise DataError(
            f"{data}: only {len(validation)} of the {len(names)} validation pictures that {listing} names are in it: "
            "give the data that the network was trained on"
        )
    train = without([one for one in pictures if one.source not in names], exclude)
    return Splits(data, readable(train, data), readable(validation, data))


def without(pictures: list[LabelledPicture], exclude: Path | None) -> list[LabelledPicture]:
    """Leave out the training pictures that a file lists, one path a line, such as `train/happy/1.jpg`.

    Raises:
        DataError: there is no such file, or none of the pictures is in it.
    """
    if exclude is None:
        return pictures
    try:
        lines = {line.strip() for line in exclude.read_text(encoding="utf-8").splitlines()}
    except OSError as error:
        raise DataError(f"{exclude}: cannot be read: {error.strerror}") from error
    names = lines | {_short(line) for line in lines if line.partition("/")[0].lower() in SPLITS["train"]}
    kept = [picture for picture in pictures if picture.source not in names]
    if len(kept) == len(pictures):
        raise DataError(f"{exclude}: none of its {len(lines)} paths is a training picture")
    return kept


def _short(path: str) -> str:
    """A picture's path in the data as `LabelledPicture.source` has it: `label/file`, or `file.csv:line`."""
    *_, folder, file = ("", *path.split("/"))
    return file if ".csv:" in file.lower() or not folder else f"{folder}/{file}"
