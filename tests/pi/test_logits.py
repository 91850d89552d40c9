"""The shipped networks give on a board, to the last bit, what they give here."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.preprocess import resize_face

pytestmark = [pytest.mark.pi, pytest.mark.real]

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "edge_fer/models"
CLASSIFIERS = sorted(MODELS.glob("*.tflite"))
DETECTORS = sorted(MODELS.glob("detector/*.tflite"))
CORES = ("cortex-a53", "cortex-a72", "cortex-a76")

Pictures = NDArray[np.uint8]


@pytest.fixture(scope="session")
def made(portrait: Path) -> Pictures:
    """200 pictures: noise of every strength, black, white, edges, and crops of a portrait."""
    rng = np.random.default_rng(8)
    noise = [rng.integers(128 - spread, 128 + spread, (48, 48)) for spread in range(1, 129, 2)]
    smooth = [cv2.resize(rng.integers(0, 256, (6, 6)).astype(np.uint8), (48, 48)) for _ in range(60)]
    flat = [np.full((48, 48), level) for level in (0, 1, 127, 128, 254, 255)]
    edges = [np.indices((48, 48))[axis] % period * (255 // (period - 1)) for axis in (0, 1) for period in (2, 7, 48)]
    photo = cv2.imread(str(portrait), cv2.IMREAD_GRAYSCALE)
    assert photo is not None
    corners = rng.integers(0, 300, (64, 2)).tolist()
    crops = [resize_face(photo.astype(np.uint8)[y : y + 200, x : x + 200], (48, 48)) for x, y in corners]
    return np.stack([*noise, *smooth, *flat, *edges, *crops]).astype(np.uint8)


@pytest.fixture(scope="session")
def validation_faces(data: Path) -> Pictures:
    """Every thirtieth face of FER2013's validation split."""
    with zipfile.ZipFile(data / "fer2013/fer2013-train-validation.zip") as archive:
        names = sorted(name for name in archive.namelist() if "validation/" in name and name.endswith(".jpg"))
        raw = [np.frombuffer(archive.read(name), np.uint8) for name in names[::30]]
    pictures = [cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) for content in raw]
    return np.stack([picture for picture in pictures if picture is not None]).astype(np.uint8)


def differing(pictures: Pictures, model: Path, on_board: Callable[..., str], folder: Path) -> dict[str, int]:
    """How many int8 outputs are not the same on each core as here."""
    given, ours = folder / "pictures.npy", folder / "here.npy"
    np.save(given, pictures)
    script = [HERE / "logits.py", model]
    subprocess.run([sys.executable, *script, given, ours], check=True)
    expected = np.load(ours)
    assert expected.dtype == np.int8
    assert len(expected) == len(pictures)
    assert np.ptp(expected.astype(int)) > 20, "judges everything alike, so nothing is compared"

    def count(core: str) -> int:
        theirs = folder / f"{core}.npy"
        on_board(core, *script, given, theirs)
        return int((np.load(theirs) != expected).sum())

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(CORES, pool.map(count, CORES), strict=True))


NONE = dict.fromkeys(CORES, 0)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda path: path.stem)
def test_logits_are_the_same_to_the_last_bit(
    made: Pictures, model: Path, on_board: Callable[..., str], tmp_path: Path
) -> None:
    assert len(made) == 200
    assert differing(made, model, on_board, tmp_path) == NONE


@pytest.mark.parametrize("model", DETECTORS, ids=lambda path: path.stem)
def test_what_a_detector_gives_is_the_same_to_the_last_bit(
    made: Pictures, model: Path, on_board: Callable[..., str], tmp_path: Path
) -> None:
    assert differing(made[::10], model, on_board, tmp_path) == NONE


@pytest.mark.data
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda path: path.stem)
def test_logits_of_faces_are_the_same_to_the_last_bit(
    validation_faces: Pictures, model: Path, on_board: Callable[..., str], tmp_path: Path
) -> None:
    assert len(validation_faces) == 120
    assert differing(validation_faces, model, on_board, tmp_path) == NONE
