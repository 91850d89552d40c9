"""Pictures in folders named after their class: split by folder, or one folder per class alone."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import DataError
from edge_fer.labelled import canonical_class
from edge_fer.preprocess import resize_face

from .dataset import Dataset, Split, order_classes
from .problems import Problems
from .tree import Tree

_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

_SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "publictest": "validation",
    "test": "test",
    "testing": "test",
    "privatetest": "test",
}


def is_picture(path: str) -> bool:
    """Whether a file's name is that of a picture."""
    return path.lower().endswith(_SUFFIXES)


def pictures_by_split(tree: Tree) -> dict[str | None, list[tuple[str, str]]]:
    """Sort a tree's pictures into splits by their folders' names.

    A picture's class is the folder it lies in; its split is the outermost folder above that with a split's
    name (so `Training/Training/happy/1.jpg` is in `train`), or None.

    Returns:
        Split name, or None for pictures under no split's folder, to (path, class) in the order of paths.
    """
    found: dict[str | None, list[tuple[str, str]]] = {}
    for path in tree.paths:
        *folders, file = path.split("/")
        if not is_picture(file) or not folders:
            continue
        above = (_SPLIT_FOLDERS.get(f.lower()) for f in folders[:-1])
        split = next((s for s in above if s), None)
        found.setdefault(split, []).append((path, canonical_class(folders[-1])))
    return found


def read_folders(tree: Tree, size: tuple[int, int], exclude: frozenset[str], problems: Problems) -> Dataset:
    """Read `train|validation|test/<class>/*`, also as `Training/Training/<class>/*`, or plain `<class>/*`.

    Args:
        tree: the folder or archive.
        size: height and width the pictures are scaled to, in pixels.
        exclude: relative paths that are left out.
        problems: takes note of pictures that cannot be read.

    Returns:
        The data set; all of it is the split `train` where no folder names a split.

    Raises:
        DataError: there are no pictures in folders, some lie in splits and others do not, or too many are unreadable.
    """
    by_split = pictures_by_split(tree)
    if not by_split:
        raise DataError(f"{tree.root}: no pictures in folders named after emotions.")
    if None in by_split and len(by_split) > 1:
        raise DataError(
            f"{tree.root}: {by_split[None][0][0]} and {len(by_split[None]) - 1} more lie outside the folders "
            f"of {', '.join(sorted(s for s in by_split if s))}: move them into one, or take them away."
        )
    classes = order_classes({label for pictures in by_split.values() for _, label in pictures})
    splits = {}
    for name, pictures in by_split.items():
        images: list[NDArray[np.uint8]] = []
        labels, names = [], []
        for path, label in pictures:
            if path in exclude:
                continue
            image = decode_gray(tree.read(path))
            if image is None:
                problems.add(path, "no readable picture")
                continue
            images.append(resize_face(image, size))
            labels.append(classes.index(label))
            names.append(path)
        if images:
            splits[name or "train"] = Split(np.stack(images), np.array(labels, np.int64), names)
    problems.check(str(tree.root), sum(map(len, by_split.values())))
    if "train" not in splits:
        raise DataError(f"{tree.root}: no picture that can be trained on.")
    return Dataset(classes, splits)


def decode_gray(data: bytes) -> NDArray[np.uint8] | None:
    """Decode an encoded picture to luminance, uint8 (height, width); None when it is not one."""
    if not data:
        return None
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return None if image is None else image.astype(np.uint8, copy=False)
