import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

from edge_fer.errors import ConfigError, DataError
from edge_fer.metrics import score
from edge_fer_train.checkpoint import read_state
from edge_fer_train.data.dataset import VOTED, Dataset
from edge_fer_train.fit import train
from edge_fer_train.judge import predict, recalibrate
from edge_fer_train.nets import build
from edge_fer_train.pretrained import begin_with
from edge_fer_train.recipe import Augmentation, Recipe, Stage
from edge_fer_train.schedule import make_optimizer

TINY = Recipe(
    size=24, net_args={"widths": [4, 8], "depths": [1, 1]}, batch_size=16, precision="float32", epochs=8,
    learning_rate=0.02, augmentation=Augmentation(flip=0.5, shift=0, rotate=0, zoom_out=1, zoom_in=1),
)  # fmt: skip


def test_it_learns_and_keeps_the_best(bands: Dataset, tmp_path: Path) -> None:
    net = train(TINY.model_copy(update={"ema": 0.8}), bands, tmp_path, legacy_h5=True, tensorboard=True)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == list(range(1, 9))
    assert history["val_accuracy"].max() > 0.9
    validation = bands.validation
    scores = score(predict(net, validation.images), validation.labels, bands.classes)
    assert scores.accuracy == history["val_accuracy"].max()
    legacy = keras.saving.load_model(tmp_path / "model.h5", compile=False)
    assert np.array_equal(predict(legacy, validation.images), predict(net, validation.images))
    last = keras.saving.load_model(tmp_path / "last.keras", compile=False)
    assert score(predict(last, validation.images), validation.labels, bands.classes).nll == pytest.approx(
        history["val_loss"].iloc[-1]
    )
    assert list((tmp_path / "tensorboard").rglob("events.out.tfevents*"))
    assert not list(tmp_path.glob("partial-*"))


def test_votes_teachers_stages_and_watchers_in_one_run(bands: Dataset, tmp_path: Path) -> None:
    votes = np.zeros((96, len(VOTED)), np.float32)
    votes[np.arange(96), np.array([1, 3, 0])[bands.train.labels]] = 1
    data = bands.with_split("train", replace(bands.train, votes=votes))
    teacher = TINY.model_copy(update={"epochs": 1})
    train(teacher, bands, tmp_path / "teacher")
    recipe = TINY.model_copy(
        update={
            "use_votes": "head", "teachers": (str(tmp_path / "teacher" / "model.keras"),), "distill_weight": 0.2,
            "epochs": 6, "early_stopping": 2, "reduce_on_plateau": 1, "schedule": "constant", "learning_rate": 1e-9,
            "stages": (Stage(epochs=2, learning_rate=0.02, trainable="head"),), "optimizer": "sgd",
        }
    )  # fmt: skip
    net = train(recipe, data, tmp_path / "student")
    assert net.output_shape == (None, 3)
    history = pd.read_csv(tmp_path / "student" / "history.csv")
    assert history["stage"].tolist() == [1, 1, 1, 2, 2]
    assert history["learning_rate"].tolist() == pytest.approx([1e-9, 1e-9, 5e-10, 0.02, 0.02], rel=1e-3)
    assert {"votes_loss", "teacher_loss", "accuracy"} <= set(history.columns)
    first, last = (
        keras.saving.load_model(p, compile=False)
        for p in (tmp_path / "student" / "model.keras", tmp_path / "student" / "last.keras")
    )
    assert np.array_equal(first.layers[1].get_weights()[0], last.layers[1].get_weights()[0])


@pytest.mark.parametrize("optimizer", ["adam", "nadam", "adamw", "sgd"])
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_optimizers_and_schedules(optimizer: str, schedule: str) -> None:
    recipe = Recipe.model_validate({"optimizer": optimizer, "schedule": schedule, "warmup_epochs": 1})
    made = make_optimizer(recipe, Stage(epochs=4, learning_rate=0.1), steps_per_epoch=10)
    assert type(made).__name__.lower() == optimizer
    rates = []
    for step in (0, 10, 25, 40):
        made.iterations.assign(step)
        rates.append(float(ops.convert_to_numpy(made.learning_rate)))
    assert rates == pytest.approx([0.1] * 4 if schedule == "constant" else [0.001, 0.1, 0.05, 0])


@pytest.mark.parametrize("loss", ["sparse", "focal"])
def test_other_losses_learn_too(bands: Dataset, tmp_path: Path, loss: str) -> None:
    recipe = Recipe.model_validate({**TINY.model_dump(), "loss": loss, "epochs": 5})
    train(recipe, bands, tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["loss"].iloc[-1] < 0.85 * history["loss"].iloc[0]


def test_a_finished_run_is_not_trained_again(bands: Dataset, tmp_path: Path) -> None:
    recipe = TINY.model_copy(update={"epochs": 1})
    train(recipe, bands, tmp_path)
    before = (tmp_path / "checkpoint.npz").read_bytes()
    train(recipe, bands, tmp_path)
    assert (tmp_path / "checkpoint.npz").read_bytes() == before
    with pytest.raises(ConfigError, match=r"by another recipe \(epochs: 1 there, 2 here\): choose another --out"):
        train(recipe.model_copy(update={"epochs": 2}), bands, tmp_path)
    with pytest.raises(ConfigError, match="a run on other data"):
        train(recipe, bands.with_split("test", bands.validation), tmp_path)


def test_a_checkpoint_of_an_older_release_goes_on(bands: Dataset, tmp_path: Path) -> None:
    """Options that did not exist then have their defaults."""
    recipe = TINY.model_copy(update={"epochs": 1})
    train(recipe, bands, tmp_path)
    path = tmp_path / "checkpoint.npz"
    state = read_state(tmp_path)
    assert state is not None
    del state["recipe"]["focal_gamma"]
    with np.load(path) as arrays:
        content = {k: arrays[k] for k in arrays.files if k != "state"}
    np.savez(path, state=np.array(json.dumps(state)), **content)
    train(recipe, bands, tmp_path)


def test_what_does_not_fit_together_is_refused(bands: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the data has no votes: name their file with --votes"):
        train(TINY.model_copy(update={"use_votes": "targets"}), bands, tmp_path)
    voted = bands.with_split("train", replace(bands.train, votes=np.zeros((96, len(VOTED)), np.float32)))
    with pytest.raises(ConfigError, match="the recipe does not use them"):
        train(TINY, voted, tmp_path)
    (tmp_path / "bad.keras").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"teacher .*bad\.keras: cannot be loaded"):
        train(TINY.model_copy(update={"teachers": (str(tmp_path / "bad.keras"),)}), bands, tmp_path)
    inputs = keras.Input((8, 8, 1))
    keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))).save(tmp_path / "small.keras")
    with pytest.raises(DataError, match=r"small\.keras: maps \(8, 8, 1\) to \(3,\), the data needs \(24, 24, 1\)"):
        train(TINY.model_copy(update={"teachers": (str(tmp_path / "small.keras"),)}), bands, tmp_path)


def test_other_votes_are_another_run(bands: Dataset, tmp_path: Path) -> None:
    votes = np.eye(len(VOTED), dtype=np.float32)[np.array([1, 3, 0])[bands.train.labels]]
    recipe = TINY.model_copy(update={"use_votes": "targets", "epochs": 1})
    train(recipe, bands.with_split("train", replace(bands.train, votes=votes)), tmp_path)
    with pytest.raises(ConfigError, match="holds a run with other votes: choose another --out"):
        train(recipe, bands.with_split("train", replace(bands.train, votes=votes[::-1].copy())), tmp_path)


@pytest.mark.slow
def test_layers_are_frozen_by_the_names_that_are_told(
    trainer: Callable[..., subprocess.Popen[str]], finish: Callable[[subprocess.Popen[str]], str], tmp_path: Path
) -> None:
    """Names that Keras counts up, so that they differ from one copy of the net to the next."""
    finish(trainer("--epochs", "1", "--out", str(tmp_path / "first")))
    again = ["--epochs", "1", "--start", str(tmp_path / "first" / "model.keras"), "--out", str(tmp_path / "again")]
    refused = trainer(*again, "--trainable", "absent")
    output, _ = refused.communicate(timeout=180)
    told = re.findall(r"conv2d\w*", output)
    assert (refused.returncode, told) == (2, ["conv2d", "conv2d_1"])
    finish(trainer(*again, "--trainable", "conv2d_1"))
    weights = [
        keras.saving.load_model(tmp_path / run / "last.keras", compile=False).get_weights()
        for run in ("first", "again")
    ]
    assert np.array_equal(weights[0][0], weights[1][0])
    assert not np.array_equal(weights[0][-2], weights[1][-2])


def test_recalibration_takes_the_statistics_of_the_training_pictures() -> None:
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8), np.uint8)
    inputs = keras.Input((8, 8, 1))
    net = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    recalibrate(net, images, seed=0, batch_size=16)
    norm = net.layers[1]
    assert float(norm.moving_mean[0]) == pytest.approx((images / 255).mean(), abs=1e-5)
    assert float(norm.moving_variance[0]) == pytest.approx((images / 255).var(), rel=1e-2)
    assert norm.momentum == 0.99
    norm.trainable = False
    recalibrate(net, images[:8] // 2, seed=0, batch_size=8)
    assert float(norm.moving_mean[0]) == pytest.approx((images / 255).mean(), abs=1e-5)


def test_a_teacher_of_other_labels_is_refused(bands: Dataset, tmp_path: Path) -> None:
    inputs = keras.Input((24, 24, 1))
    keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(inputs))).save(tmp_path / "model.keras")
    (tmp_path / "run.json").write_text('{"labels": ["happy", "neutral", "sad"]}')
    with pytest.raises(DataError, match="was trained on happy, neutral, sad; the data has happy, sad, neutral"):
        train(TINY.model_copy(update={"teachers": (str(tmp_path / "model.keras"),)}), bands, tmp_path / "run")


def test_a_run_begins_with_the_weights_it_is_given(bands: Dataset, tmp_path: Path) -> None:
    first = train(TINY.model_copy(update={"epochs": 2}), bands, tmp_path / "first")
    still = TINY.model_copy(
        update={"epochs": 1, "learning_rate": 1e-9, "start": str(tmp_path / "first" / "model.keras")}
    )
    again = train(still, bands, tmp_path / "again")
    kernels = [[w for w in net.get_weights() if w.ndim == 4] for net in (first, again)]
    for one, other in zip(*kernels, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-6)


def test_without_a_monitor_the_newest_is_kept(bands: Dataset, tmp_path: Path) -> None:
    worsens = {"stages": (Stage(epochs=1, learning_rate=1.0),), "epochs": 3, "warmup_epochs": 0}
    kept = train(TINY.model_copy(update={**worsens, "monitor": "none"}), bands, tmp_path)
    loss = pd.read_csv(tmp_path / "history.csv")["val_loss"]
    assert loss.iloc[-1] > loss.min()
    last = keras.saving.load_model(tmp_path / "last.keras", compile=False)
    assert np.array_equal(predict(kept, bands.validation.images), predict(last, bands.validation.images))


def test_a_share_of_the_start_stays_in_what_is_saved(bands: Dataset, tmp_path: Path) -> None:
    build("edge", (24, 24, 1), 3, TINY.net_args).save(tmp_path / "start.keras")
    learning = TINY.model_copy(update={"epochs": 2, "start": str(tmp_path / "start.keras")})
    train(learning, bands, tmp_path / "whole")
    train(learning.model_copy(update={"start_weight": 0.25}), bands, tmp_path / "mixed")
    begun = keras.saving.load_model(tmp_path / "start.keras", compile=False)
    trained, mixed = (
        keras.saving.load_model(tmp_path / run / "last.keras", compile=False) for run in ("whole", "mixed")
    )
    kernels = [[w for w in net.get_weights() if w.ndim == 4] for net in (begun, trained, mixed)]
    for before, after, saved in zip(*kernels, strict=True):
        assert not np.array_equal(before, after)
        np.testing.assert_allclose(saved, 0.25 * before + 0.75 * after, atol=1e-6)
    last = pd.read_csv(tmp_path / "mixed" / "history.csv").iloc[-1]
    validation = bands.validation
    scores = score(predict(mixed, validation.images), validation.labels, bands.classes)
    assert scores.accuracy == last["val_accuracy"]
    assert scores.nll == pytest.approx(last["val_loss"])


def test_logits_begin_afresh_where_labels_are_others(bands: Dataset, tmp_path: Path) -> None:
    first = train(TINY.model_copy(update={"epochs": 2}), bands, tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"labels": ["a", "b"]}))
    net = build("edge", (24, 24, 1), 5, TINY.net_args)
    fresh = net.get_weights()[-2:]
    begin_with(net, tmp_path / "model.keras", ("a", "b", "c", "d", "e"))
    assert np.array_equal(net.get_weights()[0], first.get_weights()[0])
    assert np.array_equal(net.get_weights()[-2], fresh[0])


def test_a_start_of_another_architecture_is_refused(bands: Dataset, tmp_path: Path) -> None:
    build("edge", (24, 24, 1), 3, {"widths": [4, 6], "depths": [1, 1]}).save(tmp_path / "other.keras")
    with pytest.raises(DataError, match=r"start .*other\.keras: its weights do not fit the net edge of the recipe"):
        train(TINY.model_copy(update={"start": str(tmp_path / "other.keras")}), bands, tmp_path / "run")
    with pytest.raises(DataError, match=r"none\.keras: no such saved model"):
        train(TINY.model_copy(update={"start": str(tmp_path / "none.keras")}), bands, tmp_path / "run")
