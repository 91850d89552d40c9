"""Optimizers and the course of their learning rate."""

import keras

from .recipe import Recipe


def make_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe, with its schedule, weight decay on kernels alone, and averaged weights."""
    rate = _learning_rate(recipe, steps_per_epoch)
    ema = {"use_ema": True, "ema_momentum": recipe.ema} if recipe.ema else {}
    decay = {"weight_decay": recipe.weight_decay} if recipe.weight_decay else {}
    match recipe.optimizer:
        case "adam":
            optimizer = keras.optimizers.Adam(rate, **decay, **ema)
        case "nadam":
            optimizer = keras.optimizers.Nadam(rate, **decay, **ema)
        case "adamw":
            optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, **ema)
        case "sgd":
            optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, **decay, **ema)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _learning_rate(
    recipe: Recipe, steps_per_epoch: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if recipe.schedule == "constant":
        return recipe.learning_rate
    warmup = round(recipe.warmup_epochs * steps_per_epoch)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=recipe.learning_rate / 100 if warmup else recipe.learning_rate,
        decay_steps=max(1, recipe.epochs * steps_per_epoch - warmup),
        warmup_target=recipe.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
