"""Trains a network by a recipe into a run folder, and goes on where a killed run left off."""

import hashlib
import logging
import sys
from pathlib import Path
from typing import Any

import keras

from edge_fer.errors import ConfigError, DataError

from . import nets
from .batches import Batches
from .checkpoint import Checkpoint, load_best, load_variables, read_state
from .data.dataset import Dataset
from .device import jit_setting, resolve_precision
from .distribute import ALONE, Share, alone, wait_for_all
from .judge import Judge, save_whole
from .objective import first_trained, losses, train_from, training_model
from .pretrained import begin_with, load_teacher
from .recipe import Recipe, Stage
from .schedule import make_optimizer, watchers
from .steps import is_saved_model, saved_model
from .torch_kernels import on_fast_kernels

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    dataset: Dataset,
    run: Path,
    *,
    share: Share = ALONE,
    legacy_h5: bool = False,
    tensorboard: bool = False,
) -> keras.Model:
    """Train into a run folder.

    A run that was killed goes on at the epoch it was in, and ends up with the very weights it would have had.

    Args:
        recipe: how.
        dataset: on what; pictures of the recipe's size.
        run: the folder; ends up with `model.keras` (the best), `last.keras`, `history.csv` and `checkpoint.npz`.
        share: this process's part, where several train together.
        legacy_h5: save the best as `model.h5` as well.
        tensorboard: write TensorBoard logs to the folder `tensorboard` in it.

    Returns:
        The best network, float32.

    Raises:
        ConfigError: the folder holds another run, or the recipe does not fit the data.
    """
    check(recipe, dataset, run)
    state = _begin_or_resume(run, recipe, dataset)
    wait_for_all(share, "the state is read")
    run.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(recipe.seed)
    policy = resolve_precision(recipe.precision)
    keras.config.set_dtype_policy("float32")
    with alone():
        shipped = _new_net(recipe, dataset, run)
        start_weights = shipped.get_weights()
        shipped_training = training_model(shipped, recipe)
        teachers = [on_fast_kernels(load_teacher(saved_model(t, run), dataset), policy) for t in recipe.teachers]
    keras.config.set_dtype_policy(policy)
    net = on_fast_kernels(_new_net(recipe, dataset, run))
    model = training_model(net, recipe)
    keras.config.set_dtype_policy("float32")
    batches = Batches(dataset, recipe, teachers, share)
    log.info(
        "%s: %d parameters, %s on %s, %d steps per epoch",
        recipe.net, net.count_params(), policy, keras.backend.backend(), batches.steps_per_epoch,
    )  # fmt: skip
    first = Stage(epochs=recipe.epochs, learning_rate=recipe.learning_rate, trainable=recipe.trainable)
    stages = [first, *recipe.stages]
    trained_from = [first_trained(shipped, stage.trainable) for stage in stages]
    while state["stage"] < len(stages):
        stage = stages[state["stage"]]
        for one in (net, shipped):
            train_from(one, trained_from[state["stage"]])
        _compile(model, recipe, stage, batches.steps_per_epoch)
        if state["epoch"]:
            load_variables(run, model)
            log.info("resumed after epoch %d of %d, stage %d", state["epoch"], stage.epochs, state["stage"] + 1)
        elif state["stage"]:
            net.set_weights(load_best(run))
            log.info("stage %d: %d epochs at %g", state["stage"] + 1, stage.epochs, stage.learning_rate)
        if not state["stopped"] and state["epoch"] < stage.epochs:
            judge = Judge(
                shipped, shipped_training, recipe=recipe, dataset=dataset, run=run, start_weights=start_weights,
                writes=share.writes,
            )  # fmt: skip
            watching = watchers(recipe)
            checkpoint = Checkpoint(run, state, judge, watching, writes=share.writes)
            boards = []
            if tensorboard and share.writes:
                boards.append(keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False))
            _fit(model, batches, stage, state, [judge, *watching, *boards, checkpoint])
            wait_for_all(share, f"stage {state['stage']} is done")
        state |= {"stage": state["stage"] + 1, "epoch": 0, "stopped": False, "watchers": []}
    with alone():
        chosen: keras.Model = keras.saving.load_model(run / "model.keras", compile=False)
    if legacy_h5 and share.writes:
        save_whole(chosen, run / "model.h5")
    return chosen


def check(recipe: Recipe, dataset: Dataset, run: Path) -> None:
    """Refuse what `train` would refuse, as far as that can be told before earlier trainings are done.

    Raises:
        ConfigError: the folder holds another run, or the recipe does not fit the data.
        DataError: a saved model that it builds on is not there.
    """
    if recipe.use_votes != "none" and dataset.train.votes is None:
        raise ConfigError(f"use_votes: {recipe.use_votes}: the data has no votes: name their file with --votes.")
    if recipe.use_votes == "none" and dataset.train.votes is not None:
        raise ConfigError("--votes: the recipe does not use them: say --use-votes targets or --use-votes head.")
    nets.find(recipe.net, recipe.net_args)
    for reference in filter(is_saved_model, (recipe.start, *recipe.teachers)):
        if not Path(reference).exists():
            raise DataError(f"{reference}: no such saved model: start and teachers name one, or a recipe.")
    _begin_or_resume(run, recipe, dataset)


def _begin_or_resume(run: Path, recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    identity = {"recipe": recipe.model_dump(mode="json"), "data": dataset.fingerprint()}
    if recipe.use_votes != "none" and dataset.train.votes is not None:
        identity["votes"] = hashlib.sha256(dataset.train.votes.astype("<f4").tobytes()).hexdigest()
    state = read_state(run)
    if state is None:
        fresh: dict[str, Any] = {"stage": 0, "epoch": 0, "best": None, "stopped": False, "history": [], "watchers": []}
        return {**identity, **fresh}
    if state["data"] != identity["data"]:
        raise ConfigError(f"{run} holds a run on other data: choose another --out.")
    if state.get("votes", identity.get("votes")) != identity.get("votes"):  # older releases did not note them
        raise ConfigError(f"{run} holds a run with other votes: choose another --out.")
    was, now = Recipe.model_validate(state["recipe"]).model_dump(), recipe.model_dump()
    if changed := [f"{k}: {was[k]} there, {now[k]} here" for k in now if was[k] != now[k]]:
        raise ConfigError(f"{run} holds a run by another recipe ({'; '.join(changed)}): choose another --out.")
    return state


def _new_net(recipe: Recipe, dataset: Dataset, run: Path) -> keras.Model:
    net = nets.build(recipe.net, (*dataset.size, 1), len(dataset.classes), recipe.net_args)
    if recipe.start:
        with alone():
            begin_with(net, saved_model(recipe.start, run), dataset.classes)
    return net


def _compile(model: keras.Model, recipe: Recipe, stage: Stage, steps_per_epoch: int) -> None:
    of, weights = losses(recipe)
    model.compile(
        make_optimizer(recipe, stage, steps_per_epoch),
        loss=of,
        loss_weights=weights,
        metrics={"label": ["accuracy"]},
        jit_compile=jit_setting(),
    )


def _fit(
    model: keras.Model,
    batches: Batches,
    stage: Stage,
    state: dict[str, Any],
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Train a stage from where the state says; a bar with the time left on a terminal, else a line per epoch."""
    model.fit(
        batches.from_epoch(len(state["history"])),
        steps_per_epoch=batches.steps_per_epoch,
        initial_epoch=state["epoch"],
        epochs=stage.epochs,
        shuffle=False,
        verbose=1 if sys.stdout.isatty() else 2,
        callbacks=callbacks,
    )
