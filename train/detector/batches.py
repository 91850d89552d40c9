"""The stream of training batches: composed, spoilt, with targets; the same for the same seed and step."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.detect.scenes import load_scenes

from .compose import Composer, Look, Picture
from .photometry import Photometry
from .recipe import DetectorRecipe, Size
from .targets import Faces, make_targets

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

_AHEAD: Final = 3
"""Batches that are made ahead, and twice as many as there are processes."""
_HARD_IN_A_BATCH: Final = 64


class Maker:
    """Makes the batch of any step.

    Args:
        composer: makes the pictures.
        recipe: sizes, seed, number of steps.
    """

    def __init__(self, composer: Composer, recipe: DetectorRecipe) -> None:
        self._composer, self._recipe = composer, recipe
        self._photometry = Photometry(recipe.seed)

    def make(self, step: int, hard: Sequence[Look] = ()) -> Batch:
        """The batch of a step.

        Args:
            step: counted from 0.
            hard: views without faces on which the network fired.

        Returns:
            Pictures float32 (n, height, width, 1) in [0, 1], and their targets, see `targets.make_targets`.
        """
        rng = np.random.default_rng([self._recipe.seed, step])
        size = self._size(step, rng)
        pictures = [self._composer.compose(size.height_px, size.width_px, rng, hard) for _ in range(size.batch)]
        pixels = np.stack([self._photometry.spoil(picture.pixels, rng) for picture in pictures])
        targets = make_targets(together(pictures), len(pictures), size.height_px, size.width_px)
        return pixels[..., None] * np.float32(1 / 255), targets

    def _size(self, step: int, rng: np.random.Generator) -> Size:
        late = step >= self._recipe.steps * (1 - self._recipe.late)
        shares = np.array([size.late_share if late else size.share for size in self._recipe.sizes])
        return self._recipe.sizes[int(rng.choice(len(shares), p=shares / shares.sum()))]


class Batches:
    """Endless batches for `Model.fit`, made ahead in a thread or in processes of their own.

    Args:
        maker: makes them, where there are no processes.
        recipe: of the run.
        data: folder of the scenes; each process reads them for itself.
        processes: how many; 0 makes the batches in a thread, which suits one or two cores.

    Attributes:
        hard: views without faces on which the network fired, the hardest first; read anew for every batch.
    """

    def __init__(self, maker: Maker, recipe: DetectorRecipe, data: Path, processes: int = 0) -> None:
        self._maker, self._recipe, self._data, self._processes = maker, recipe, data, processes
        self.hard: Sequence[Look] = ()

    def from_step(self, step: int) -> Iterator[Batch]:
        """Batches from a step on, see `Maker.make`."""
        with self._executor() as executor:
            make = _make if self._processes else self._maker.make
            ahead: list[Future[Batch]] = []
            while True:
                while len(ahead) < _AHEAD + 2 * self._processes:
                    ahead.append(executor.submit(make, step, self._some_hard(step)))
                    step += 1
                yield ahead.pop(0).result()

    def _executor(self) -> Executor:
        if not self._processes:
            return ThreadPoolExecutor(1, "batches")  # OpenCV lets the training go on meanwhile
        return ProcessPoolExecutor(
            self._processes, get_context("spawn"), initializer=_begin, initargs=(self._data, self._recipe)
        )

    def _some_hard(self, step: int) -> list[Look]:
        luck = np.random.default_rng([self._recipe.seed, step, 2]).random(min(len(self.hard), _HARD_IN_A_BATCH))
        return [self.hard[int(len(self.hard) * value**2)] for value in luck]


_of_this_process: list[Maker] = []


def _begin(data: Path, recipe: DetectorRecipe) -> None:
    cv2.setNumThreads(1)
    _of_this_process.append(Maker(Composer(load_scenes(data, held_out=False), recipe.composition), recipe))


def _make(step: int, hard: Sequence[Look]) -> Batch:
    return _of_this_process[0].make(step, hard)


def together(pictures: Sequence[Picture]) -> Faces:
    """The faces of several pictures in one table."""
    counts = [len(picture.boxes) for picture in pictures]
    return Faces(
        np.repeat(np.arange(len(pictures)), counts),
        np.concatenate([picture.boxes for picture in pictures]),
        np.concatenate([picture.landmarks for picture in pictures]),
        np.concatenate([picture.scores for picture in pictures]),
    )
