"""Optimizers, the course of their learning rate, and what ends or slows a stage."""

from typing import Any

import keras

from .recipe import Recipe, Stage


def make_optimizer(recipe: Recipe, stage: Stage, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of a stage: its schedule, weight decay on kernels alone, and averaged weights."""
    options: dict[str, Any] = {"learning_rate": _learning_rate(recipe, stage, steps_per_epoch)}
    options["weight_decay"] = recipe.weight_decay or None
    if recipe.ema:
        options |= {"use_ema": True, "ema_momentum": recipe.ema}
    match recipe.optimizer:
        case "adam":
            optimizer = keras.optimizers.Adam(**options)
        case "nadam":
            optimizer = keras.optimizers.Nadam(**options)
        case "adamw":
            optimizer = keras.optimizers.AdamW(**options | {"weight_decay": recipe.weight_decay})
        case "sgd":
            optimizer = keras.optimizers.SGD(momentum=0.9, nesterov=True, **options)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def watchers(recipe: Recipe) -> list[keras.callbacks.Callback]:
    """EarlyStopping and ReduceLROnPlateau as the recipe wants them."""
    mode = "min" if recipe.monitor == "val_loss" else "max"
    found: list[keras.callbacks.Callback] = []
    if recipe.early_stopping:
        found.append(
            keras.callbacks.EarlyStopping(recipe.monitor, mode=mode, patience=recipe.early_stopping, verbose=1)
        )
    if recipe.reduce_on_plateau:
        found.append(
            keras.callbacks.ReduceLROnPlateau(
                recipe.monitor,
                mode=mode,
                patience=recipe.reduce_on_plateau,
                factor=recipe.plateau_factor,
                verbose=1,
            )
        )
    return found


def _learning_rate(
    recipe: Recipe, stage: Stage, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule == "constant":
        return stage.learning_rate
    warmup = round(min(recipe.warmup_epochs, stage.epochs / 2) * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=stage.learning_rate / 100 if warmup else stage.learning_rate,
        decay_steps=max(1, stage.epochs * steps_per_epoch - warmup),
        warmup_target=stage.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
