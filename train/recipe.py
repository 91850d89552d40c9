"""A recipe: everything that decides how a network is trained, apart from the data.

Each field is declared once, here: its type, range, default and meaning. The command line's options and the
YAML files under `recipes/` are both made of these fields.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edge_fer.errors import ConfigError

RECIPES = Path(__file__).parent / "recipes"

Probability = Annotated[float, Field(ge=0, le=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Model):
    """What may happen to a training picture."""

    flip: Probability = Field(default=0.5, description="probability of mirroring left and right")
    shift: Fraction = Field(default=0.0625, description="largest shift, in sides of the picture")
    rotate: float = Field(default=10.0, ge=0, le=180, description="largest rotation, in degrees")
    zoom_out: float = Field(default=0.9, gt=0, le=1, description="smallest magnification")
    zoom_in: float = Field(default=1.12, ge=1, description="largest magnification")
    brightness: Fraction = Field(default=0.0, description="largest change of brightness, in units of white")
    contrast: Fraction = Field(default=0.2, description="largest relative change of contrast")
    shade: Probability = Field(default=0.0, description="probability that one side lies in the shade")
    headwear: Probability = Field(default=0.0, description="probability that a hat, a scarf or a hood is put on")
    blur: Probability = Field(default=0.0, description="probability of a Gaussian blur, up to 1.2 pixels at 48")
    noise: Probability = Field(default=0.0, description="probability of Gaussian noise, up to 5 % of white")
    erase: Probability = Field(default=0.0, description="probability that a rectangle is painted over")
    mixup: Probability = Field(default=0.0, description="probability that a sample is blended with another")
    mixup_alpha: float = Field(default=0.4, gt=0, description="mixup draws its weight from Beta(alpha, alpha)")

    @property
    def moves(self) -> bool:
        """Whether any option moves pixels."""
        return bool(self.flip or self.shift or self.rotate or self.zoom_out < 1 or self.zoom_in > 1)


class Stage(_Model):
    """A further stage of training; it begins with the best weights so far and a fresh optimizer."""

    epochs: int = Field(ge=1, description="epochs of this stage")
    learning_rate: float = Field(gt=0, description="learning rate at its peak")
    trainable: str = Field(default="all", description="as the recipe's own")


class Recipe(_Model):
    """How a network is trained."""

    net: str = Field(default="edge", description="a built-in net, or your own as module:function")
    net_args: dict[str, Any] = Field(default={}, description="arguments of the net")
    start: str = Field(
        default="",
        description="saved model whose weights training begins with, as for one's own pictures; or the recipe of one, "
        "which is trained first",
    )
    start_weight: Fraction = Field(
        default=0.0, description="share of the start's weights in the model that is judged and saved"
    )
    size: int = Field(default=48, ge=16, le=512, description="side of the square pictures the net is fed, in pixels")
    seed: int = Field(default=0, ge=0, description="seed of everything random")
    epochs: int = Field(default=24, ge=1, description="epochs of the first stage")
    batch_size: int = Field(default=128, ge=1, description="pictures per step")
    optimizer: Literal["adam", "nadam", "adamw", "sgd"] = Field(
        default="adamw", description="sgd: Nesterov momentum 0.9"
    )
    learning_rate: float = Field(default=3e-3, gt=0, description="learning rate at its peak")
    weight_decay: float = Field(default=0.02, ge=0, description="decoupled weight decay of kernels")
    schedule: Literal["constant", "cosine"] = Field(default="cosine", description="course of the learning rate")
    warmup_epochs: float = Field(default=1.0, ge=0, description="epochs of linear warm-up before the cosine")
    trainable: str = Field(
        default="all",
        description="layers trained: all, head (the last one), or the name of a layer, from which on all are",
    )
    stages: tuple[Stage, ...] = Field(
        default=(), description="further stages; on the command line EPOCHS:RATE[:TRAINABLE]"
    )
    loss: Literal["categorical", "sparse", "focal"] = Field(
        default="categorical", description="cross-entropy over distributions or over indices, or focal loss"
    )
    focal_gamma: float = Field(default=2.0, ge=0, description="how much focal loss turns to the hard samples")
    label_smoothing: Fraction = Field(default=0.0, description="share of a target spread over all classes")
    balance: Literal["none", "weights", "oversample", "undersample"] = Field(
        default="none", description="how rare classes are made up for"
    )
    use_votes: Literal["none", "targets", "head"] = Field(
        default="none", description="crowd votes as soft labels, or as a second head that is left away at the end"
    )
    votes_weight: Probability = Field(
        default=0.3, description="share of the votes in the labels, or weight of their head"
    )
    teachers: tuple[str, ...] = Field(
        default=(), description="saved models to distil from, or recipes of such; their mean teaches"
    )
    distill_weight: Probability = Field(default=0.5, description="share of the teachers in the loss")
    distill_temperature: float = Field(
        default=4.0, gt=0, description="temperature of the teachers and of what they teach"
    )
    early_stopping: int = Field(default=0, ge=0, description="epochs without improvement that end a stage; 0: never")
    reduce_on_plateau: int = Field(
        default=0, ge=0, description="epochs without improvement that cut a constant rate; 0: never"
    )
    plateau_factor: float = Field(default=0.5, gt=0, lt=1, description="what the rate is cut by")
    monitor: Literal["val_accuracy", "val_macro_f1", "val_loss", "none"] = Field(
        default="val_accuracy",
        description="what improvement means, and the best model is chosen by; none: the newest is kept",
    )
    ema: Fraction = Field(default=0.0, description="momentum per step of the averaged weights; 0: no averaging")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="arithmetic of the layers; auto: bfloat16 where the device has it"
    )
    augmentation: Augmentation = Field(default=Augmentation(), description="what may happen to a picture")

    @model_validator(mode="after")
    def _agrees(self) -> "Recipe":
        if self.start_weight and not self.start:
            raise ValueError("start_weight is a share of the start's weights: it needs start")
        if self.monitor == "none" and (self.early_stopping or self.reduce_on_plateau):
            raise ValueError("early_stopping and reduce_on_plateau wait for improvement: they need a monitor")
        if self.reduce_on_plateau and self.schedule != "constant":
            raise ValueError("reduce_on_plateau cuts a constant rate: it needs schedule: constant")
        if self.loss == "sparse" and (
            self.augmentation.mixup or self.label_smoothing or self.use_votes == "targets" or self.teachers
        ):
            raise ValueError(
                "loss: sparse knows one index per sample: mixup, label_smoothing, votes as targets and teachers "
                "need loss: categorical"
            )
        return self


def load_recipe(name: str, overrides: dict[str, Any]) -> Recipe:
    """Read a recipe and lay other values over it.

    Args:
        name: a file under `recipes/` without its suffix, the path of a YAML file, or "" for the defaults.
        overrides: field names to values; `augmentation` and `net_args` are merged key by key, but the recipe's
            `net_args` do not outlive its `net`.

    Raises:
        ConfigError: there is no such recipe, or values are out of range; lists every reason.
    """
    values = _read_yaml(name) if name else {}
    net = values.get("net", Recipe.model_fields["net"].default)
    if overrides.get("net", net) != net:
        values.pop("net_args", None)
    for key, value in overrides.items():
        merges = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if merges else value
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        where = name or "options"
        raise ConfigError(
            *(f"{where}: {'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        ) from error


def _read_yaml(name: str) -> dict[str, Any]:
    path = Path(name) if name.endswith((".yaml", ".yml")) else RECIPES / f"{name}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in RECIPES.glob("*.yaml")))
        raise ConfigError(f"{path}: no such recipe; built in are: {known}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of options to values.")
    return values
