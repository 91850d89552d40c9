"""The card of the detector `edge`: what its `.tflite` file cannot say of itself."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_fer.detect.grid import STRIDES_PX, VALUES
from edge_fer.errors import DetectorError

FORMAT: Final = 1

_Row = Annotated[tuple[float, ...], Field(min_length=VALUES, max_length=VALUES)]
_Table = Annotated[tuple[_Row, ...], Field(min_length=len(STRIDES_PX), max_length=len(STRIDES_PX))]


class EdgeCard(BaseModel):
    """Everything that decoding needs to know, and the reader of how it came about.

    Attributes:
        format: version of this format.
        name: stem of both files.
        sha256: of the `.tflite` file.
        size_bytes: of the `.tflite` file.
        offsets: by stride and value of a cell: value = offset + factor * output; each value has the whole range of
            int8 for itself. The score's are such that a score of 0.75 is the calibrated threshold.
        factors: likewise.
        measured: by name of a set of pictures, what was measured on it.
        comparison: what `tests/bench/detectors.py` measured of this and other detectors, and on which `cpu`.
        instructions: by processor core, per frame, by `KIND: WIDTHxHEIGHT` of the detector.
        quantization: extent of the calibration pictures and how the threshold was found.
        data: what it was trained and judged on, and on which terms.
        training: the trainer's account.
        revision: the source tree's git revision.
        created: day of the quantization, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(gt=0)]
    offsets: _Table
    factors: _Table
    measured: dict[str, Any] = {}
    comparison: dict[str, Any] = {}
    instructions: dict[str, dict[str, int]] = {}
    quantization: dict[str, Any] = {}
    data: str | None = None
    training: dict[str, Any] = {}
    revision: str | None = None
    created: str | None = None

    def to_json(self) -> str:
        """The text of `NAME.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def load_edge_files(path: Path) -> tuple[EdgeCard, bytes]:
    """Read the network and its card, and make sure that they belong together.

    Args:
        path: the `.tflite` file; its card lies beside it with the ending `.json`.

    Raises:
        DetectorError: a file is missing or not what it should be, or the card is another network's.
    """
    try:
        content = path.read_bytes()
        text = path.with_suffix(".json").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "its card is no text"
        raise DetectorError(
            f"{path}: cannot be read: {reason}; the detector is two files, NAME.tflite and NAME.json"
        ) from error
    try:
        card = EdgeCard.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'card'}: {one['msg']}" for one in error.errors()
        )
        raise DetectorError(f"{path.with_suffix('.json')}: not a detector's card: {problems}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise DetectorError(
            f"{path.with_suffix('.json')}: this card belongs to another network: it names sha256 {card.sha256[:12]}…, "
            f"but {path.name} has {digest[:12]}…; copy both files of one detector"
        )
    return card, content
