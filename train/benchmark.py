"""How fast the input pipeline makes batches, and how fast a network consumes them."""

import itertools
import logging
import time
from collections.abc import Callable
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from . import nets
from .batches import Batches
from .data.dataset import Dataset
from .device import jit_setting, resolve_precision
from .objective import losses, training_model
from .recipe import Augmentation, Recipe, Stage
from .schedule import make_optimizer
from .torch_kernels import on_fast_kernels

log = logging.getLogger(__name__)


def benchmark(recipe: Recipe, dataset: Dataset, steps: int = 30) -> dict[str, float]:
    """Measure and log pictures per second.

    Args:
        recipe: net, batch size and augmentation.
        dataset: its training pictures.
        steps: batches timed, after three that are not.

    Returns:
        Pictures per second of `batches` (augmentation as batched tensor operations), of rotation, zoom, shift, flip and
        contrast one picture at a time through `opencv` and through `scipy` (as Keras' ImageDataGenerator does), and
        of `net` (training steps on a batch that is there already).
    """
    if recipe.teachers:
        log.info("measured without the teachers, whose judgements are not in these figures")
        recipe = recipe.model_copy(update={"teachers": ()})
    batches = Batches(dataset, recipe)
    stream = batches.from_epoch(0)
    rng = np.random.default_rng(recipe.seed)
    images = np.asarray(dataset.train.images[: recipe.batch_size])
    n = len(images)
    keras.config.set_dtype_policy(resolve_precision(recipe.precision))
    net = on_fast_kernels(nets.build(recipe.net, (*dataset.size, 1), len(dataset.classes), recipe.net_args))
    keras.config.set_dtype_policy("float32")
    model = training_model(net, recipe)
    stage = Stage(epochs=recipe.epochs, learning_rate=recipe.learning_rate, trainable="all")
    of, weights = losses(recipe)
    model.compile(
        make_optimizer(recipe, stage, batches.steps_per_epoch), loss=of, loss_weights=weights, jit_compile=jit_setting()
    )
    batch = next(stream)
    rates = {
        "batches": recipe.batch_size * steps / _time_s(lambda: next(stream), steps),
        "opencv": n * steps / _time_s(lambda: _with_opencv(images, recipe.augmentation, rng), steps),
        "scipy": n * steps / _time_s(lambda: _with_scipy(images, recipe.augmentation, rng), steps),
        "net": recipe.batch_size * steps / _time_s(lambda: model.train_on_batch(*batch), steps),
    }
    for name, rate in rates.items():
        log.info("%s: %.0f pictures/s, %.1f times the net", name, rate, rate / rates["net"])
    return rates


def _time_s(work: Callable[[], Any], steps: int) -> float:
    for _ in range(3):
        work()
    start = time.perf_counter()
    for _ in itertools.repeat(None, steps):
        work()
    return time.perf_counter() - start


def _with_opencv(images: NDArray[np.uint8], options: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    side = images.shape[1]
    views = []
    for image in images:
        angle, zoom = rng.uniform(-options.rotate, options.rotate), rng.uniform(options.zoom_out, options.zoom_in)
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, zoom)
        matrix[:, 2] += rng.uniform(-options.shift, options.shift, 2) * side
        views.append(cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE))
    return _finish(views, options, rng)


def _with_scipy(images: NDArray[np.uint8], options: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    centre = (np.array(images.shape[1:]) - 1) / 2
    views = []
    for image in images:
        angle = np.deg2rad(rng.uniform(-options.rotate, options.rotate))
        zoom = rng.uniform(options.zoom_out, options.zoom_in)
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / zoom
        offset = centre - matrix @ centre + rng.uniform(-options.shift, options.shift, 2) * images.shape[1]
        views.append(ndimage.affine_transform(image, matrix, offset, order=1, mode="nearest"))
    return _finish(views, options, rng)


def _finish(views: list[Any], options: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    """Flip and contrast, one picture after the other."""
    done = []
    for view in views:
        x = (view[:, ::-1] if rng.random() < options.flip else view).astype(np.float32) / 255
        gain = 1 + rng.uniform(-options.contrast, options.contrast)
        done.append(np.clip((x - x.mean()) * gain + x.mean(), 0, 1))
    return np.stack(done)
