"""A model's card: what a `.tflite` file cannot say of itself.

A model is two files, `NAME.tflite` and `NAME.json` beside it. The card ties itself to the network by its
sha256, so a pair that was mixed up is refused before a single face is judged by it.
"""

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge_fer.errors import ModelError
from edge_fer.metrics import Scores
from edge_fer.preprocess import CropMargin

FORMAT: Final = 1
"""Version of the card's format; a card of another one is refused."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0)]


class Calibration(BaseModel):
    """What the temperature did on the split it was fitted on."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    split: str
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float


class CropFit(BaseModel):
    """How a detector's crop margin was fitted, and what the crops are worth.

    Attributes:
        pictures: training pictures that were pasted onto a canvas.
        found: share of them in which the detector found the face.
        scale_quartiles: lower and upper quartile of the scale over those faces.
        shift_y_quartiles: lower and upper quartile of the shift.
        judged: validation faces that were found, on which the margin was chosen and the accuracies below measured.
        accuracy_whole: of their pictures as they are.
        accuracy_framed: of the detector's crops of the same pictures, framed as the median of those quartiles says.
        accuracy_cropped: of its crops with the margin that was chosen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    pictures: int
    found: float
    scale_quartiles: tuple[float, float]
    shift_y_quartiles: tuple[float, float]
    judged: int
    accuracy_whole: float
    accuracy_framed: float | None = None
    accuracy_cropped: float


class Latency(BaseModel):
    """How long the host that made the card took from face crop to logits.

    Attributes:
        p50_ms: median.
        p90_ms: nine of ten faces took no longer.
        threads: that it used.
        cpu: the host's processor.
        runtime: and the TFLite runtime, with its version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    p50_ms: Positive
    p90_ms: Positive
    threads: Annotated[int, Field(ge=1)]
    cpu: str
    runtime: str


class VotesHead(BaseModel):
    """Turns a network's logits into logits of the emotions that FER+'s voters chose among: a linear map.

    Attributes:
        labels: of what comes out.
        weights: a row per label, a column per logit of the network.
        biases: one per label.
        pictures: training pictures that it was fitted on, by their voters' majority.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    weights: tuple[tuple[float, ...], ...]
    biases: tuple[float, ...]
    pictures: Annotated[int, Field(gt=0)]


class Card(BaseModel):
    """Everything the daemon and the reader need to know of one network.

    Attributes:
        format: version of this format.
        name: the model's name, which is the stem of both its files.
        labels: what the logits stand for, in order.
        input_size: height and width of the crop that goes in, in pixels.
        temperature: logits are divided by it before the softmax.
        crop_margins: by detector, how its boxes become crops framed like the training pictures.
        crop_fits: by detector, how the margin was found.
        sha256: of the `.tflite` file.
        size_bytes: of the `.tflite` file.
        float_operators: operators that run in float, as "OPERATOR (layer)"; empty for a full-integer network.
        scores: by split, of this very int8 network.
        calibration: what the temperature was worth, if it was fitted.
        votes_head: for comparisons on FER+; the daemon has no use for it.
        latency: on the host that made the card.
        instructions: per face from crop to logits, by processor core, counted in emulation.
        quantization: method, what float and int8 reach on the validation split, calibration list, seed.
        data: what it was trained and judged on, and on which terms.
        training: the trainer's account: recipe, data, seed, versions.
        revision: the source tree's git revision, "-dirty" appended where it had changes.
        created: day of the quantization, ISO 8601.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[1] = FORMAT
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    input_size: tuple[Annotated[int, Field(ge=8, le=1024)], Annotated[int, Field(ge=8, le=1024)]]
    temperature: Positive = 1.0
    crop_margins: dict[str, CropMargin] = {}
    crop_fits: dict[str, CropFit] = {}
    sha256: Sha256
    size_bytes: Annotated[int, Field(gt=0)]
    float_operators: tuple[str, ...] = ()
    scores: dict[str, Scores] = {}
    calibration: Calibration | None = None
    votes_head: VotesHead | None = None
    latency: Latency | None = None
    instructions: dict[str, Annotated[int, Field(gt=0)]] = {}
    quantization: dict[str, Any] = {}
    data: str | None = None
    training: dict[str, Any] = {}
    revision: str | None = None
    created: str | None = None

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) != len(labels):
            raise ValueError("every label may occur only once")
        return labels

    @model_validator(mode="after")
    def _head_fits(self) -> "Card":
        if (head := self.votes_head) is not None:
            rows, columns = {len(head.labels), len(head.weights), len(head.biases)}, {len(r) for r in head.weights}
            if len(rows) != 1 or columns != {len(self.labels)}:
                raise ValueError("votes_head must have a row and a bias per label of its own, a column per logit")
        return self

    def to_json(self) -> str:
        """The text of `NAME.json`."""
        return json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def load_model_files(path: Path) -> tuple[Card, bytes]:
    """Read a network and its card, and make sure that they belong together.

    Args:
        path: the `.tflite` file; its card lies beside it with the ending `.json`.

    Returns:
        The card and the network's bytes.

    Raises:
        ModelError: a file is missing, empty or not what it should be, or the card is another network's.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read: {error.strerror}") from error
    if not content:
        raise ModelError(f"{path}: the file is empty; copy or download the model again")
    # A flatbuffer names its kind in bytes 4 to 8.
    if content[4:8] != b"TFL3":
        raise ModelError(f"{path}: this is not a TFLite model; a model is made by edge-fer-quantize")
    card = read_card(path.with_suffix(".json"))
    digest = hashlib.sha256(content).hexdigest()
    if digest != card.sha256:
        raise ModelError(
            f"{path.with_suffix('.json')}: this card belongs to another model: it names sha256 "
            f"{card.sha256[:12]}…, but {path.name} has {digest[:12]}…; copy both files of one model"
        )
    return card, content


def read_card(path: Path) -> Card:
    """Read a card alone.

    Raises:
        ModelError: it is missing, no JSON, of another format, or says something impossible.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(f"{path}: the model's card is missing; a model is NAME.tflite and NAME.json") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: the model's card cannot be read: {error}") from error
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelError(f"{path}:{error.lineno}: the model's card is no valid JSON: {error.msg}") from error
    if isinstance(values, dict) and values.get("format", FORMAT) != FORMAT:
        raise ModelError(
            f"{path}: the card has format {values['format']!r}, but this version of edge-fer reads format {FORMAT}"
        )
    try:
        return Card.model_validate(values)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in one['loc']) or 'card'}: {one['msg']}" for one in error.errors()
        )
        raise ModelError(f"{path}: not a valid model card: {problems}") from error


def shipped_models() -> dict[str, Path]:
    """The models that come with the package: name to `.tflite` file."""
    folder = Path(str(resources.files("edge_fer").joinpath("models")))
    return {path.stem: path for path in sorted(folder.glob("*.tflite"))}


def find_model(model: str) -> Path:
    """The `.tflite` file of a shipped model's name or of a path.

    Raises:
        ModelError: no shipped model has that name.
    """
    if model.endswith(".tflite") or "/" in model or "\\" in model:
        return Path(model).expanduser()
    shipped = shipped_models()
    if model not in shipped:
        raise ModelError(
            f"there is no shipped model called {model!r}: shipped are {', '.join(shipped) or 'none'}; "
            "a model of your own is given as path/to/NAME.tflite"
        )
    return shipped[model]
