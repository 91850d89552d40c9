"""A recipe of the detector: everything that decides how it is trained, apart from the data."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge_fer.detect.grid import SIDE_STEP_PX
from edge_fer.errors import ConfigError

RECIPE = Path(__file__).parents[1] / "recipes" / "detector" / "edge.yaml"

Probability = Annotated[float, Field(ge=0, le=1)]
Side = Annotated[int, Field(ge=64, le=1024, multiple_of=SIDE_STEP_PX)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Size(_Model):
    """One size of training picture, and how often it comes."""

    height_px: Side = Field(description="height of the pictures")
    width_px: Side = Field(description="width of the pictures")
    batch: int = Field(ge=1, description="pictures per step")
    share: float = Field(ge=0, description="share of the steps while the rate is constant")
    late_share: float = Field(ge=0, description="share of the steps while the rate falls")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """The command line's form, 128x160:64:0.4:0.3."""
        found = re.fullmatch(r"(\d+)x(\d+):(\d+):([\d.]+):([\d.]+)", value) if isinstance(value, str) else None
        return dict(zip(cls.model_fields, found.groups(), strict=True)) if found else value


class Composition(_Model):
    """What training pictures are made of."""

    faceless: Probability = Field(default=0.3, description="share of pictures without any face")
    mined: Probability = Field(default=0.35, description="share of the faceless ones that fired earlier")
    drawn: Probability = Field(default=0.1, description="share of faceless parts with a drawn head, which is no face")
    anywhere: Probability = Field(default=0.15, description="share of views into a scene not aimed at a face")
    smallest_px: float = Field(default=8.0, gt=0, description="smallest height of a face")
    small: Probability = Field(default=0.0, description="share of views aimed at a face of at most 28 px")
    largest: float = Field(default=1.05, gt=0, description="largest height of a face, in heights of its part")
    enlarge: float = Field(default=1.6, ge=1, description="largest magnification of a scene")
    roll_deg: float = Field(default=30.0, ge=0, le=90, description="largest roll of a face")
    occlude: Probability = Field(default=0.15, description="share of faces with something before them")
    featureless: Probability = Field(default=0.08, description="share of faces hidden by hair, no faces any more")
    cut_out: Probability = Field(default=0.2, description="share of faces cut out of their scene")


class DetectorRecipe(_Model):
    """How the detector is trained."""

    widths: tuple[int, int, int, int, int] = Field(
        default=(8, 16, 32, 64, 72), description="channels at strides 2, 4, 8, 16 and 32"
    )
    seed: int = Field(default=0, ge=0, description="seed of everything random")
    steps: int = Field(default=40_000, ge=1, description="steps of the optimizer")
    steps_per_epoch: int = Field(default=200, ge=1, description="steps between two checkpoints")
    warmup_steps: int = Field(default=400, ge=0, description="steps of linear warm-up")
    late: float = Field(default=0.3, gt=0, lt=1, description="share of the steps over which the rate falls to zero")
    learning_rate: float = Field(default=2e-3, gt=0, description="learning rate at its peak")
    weight_decay: float = Field(default=1e-3, ge=0, description="decoupled weight decay of kernels")
    ema: float = Field(default=0.9995, ge=0, lt=1, description="momentum per step of the averaged weights")
    box_weight: float = Field(default=2.0, ge=0, description="weight of the boxes in the loss")
    landmark_weight: float = Field(default=1.0, ge=0, description="weight of the landmarks in the loss")
    mine_epochs: int = Field(default=4, ge=1, description="epochs between two searches for hard faceless pictures")
    mine_pictures: int = Field(default=768, ge=0, description="faceless pictures looked at in each search")
    mined_most: int = Field(default=4096, ge=1, description="hard faceless pictures remembered")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="arithmetic of the layers; auto: bfloat16 where the device has it"
    )
    sizes: tuple[Size, ...] = Field(
        default=(Size(height_px=128, width_px=160, batch=64, share=1, late_share=1),),
        description="sizes of the training pictures; on the command line HEIGHTxWIDTH:BATCH:SHARE:LATE_SHARE",
        min_length=1,
    )
    composition: Composition = Field(default=Composition(), description="what training pictures are made of")

    @field_validator("sizes")
    @classmethod
    def _come_up(cls, sizes: tuple[Size, ...]) -> tuple[Size, ...]:
        if not sum(one.share for one in sizes) or not sum(one.late_share for one in sizes):
            raise ValueError("all shares are 0, or all late shares are: some size must come up at any time")
        return sizes


def load_recipe(path: Path | None, overrides: dict[str, Any]) -> DetectorRecipe:
    """Read a recipe and lay other values over it.

    Args:
        path: a YAML file; None for the published recipe.
        overrides: field names to values.

    Raises:
        ConfigError: there is no such file, or values are out of range; lists every reason.
    """
    path = path or RECIPE
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a recipe is a mapping of options to values.")
    for key, value in overrides.items():
        merges = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if merges else value
    try:
        return DetectorRecipe.model_validate(values)
    except ValidationError as error:
        raise ConfigError(
            *(f"{path}: {'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        ) from error
