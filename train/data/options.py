"""What can be said about the data: declared once, for the command line and for the code."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class DataOptions(BaseModel):
    """Which pictures are used, and how they are split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["auto", "fer2013", "kaggle", "ckextended", "folders"] = Field(
        default="auto",
        description="fer2013 and ckextended: CSV with emotion, pixels, Usage; kaggle: CSV with emotion, pixels; "
        "folders: train|validation|test/<emotion> or plain <emotion>",
    )
    exclude: Path | None = Field(default=None, description="file of relative paths, one per line, that are left out")
    votes: Path | None = Field(
        default=None, description="CSV of FER+ crowd votes, by file name or in the order of the rows"
    )
    validation_share: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="share of the training pictures set apart when the source has no validation split",
    )
    split_seed: int = Field(default=0, ge=0, description="seed of that split")
    subject_pattern: str = Field(
        default=r"(S\d{3,})_", description="regular expression; its first group is the subject in a file's name"
    )
    drop_duplicates: bool = Field(default=False, description="drop training pictures that are judged by as well")
    problem_limit: float = Field(default=0.01, ge=0, le=1, description="largest share of unusable entries")
    cache: Path | None = Field(
        default=None, description="folder of decoded pictures (default: the user's cache folder)"
    )

    @field_validator("subject_pattern")
    @classmethod
    def _has_a_group(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if not groups:
            raise ValueError(f"{pattern!r} has no group: put the subject in parentheses, as in (S\\d+)_")
        return pattern
