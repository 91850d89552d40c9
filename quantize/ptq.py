"""Quantizes a trained model and writes everything that ships: network, card, MODEL_CARD.md, calibration list."""

import hashlib
import json
import logging
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.card import Calibration, Card, read_card
from edge_fer.errors import ModelError
from edge_fer.judgement import judge
from edge_fer.labelled import LabelledPicture
from edge_fer.metrics import expected_calibration_error, negative_log_likelihood, score
from edge_fer.records import LABELS
from edge_fer.tflite import Network, runtime_version, softmax

from .audit import Obstacle, find_obstacles, list_operators
from .calibration import balanced_list, fit_temperature
from .latency import measure_latency
from .methods import Method, read, to_int8
from .modelcard import render
from .splits import Splits, find_splits
from .votes import fit_votes_head

log = logging.getLogger(__name__)

SAID_ELSEWHERE: Final = frozenset({"labels", "input_size", "scores"})
"""What the trainer's account and the card both have a place for; the account's scores are the float model's."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to quantize, and with what.

    Attributes:
        model: the Keras model's file, `.keras` or `.h5`; the trainer's run.json may lie beside it.
        data: labelled pictures with the splits train and validation; the latter may be named by the trainer's run.
        name: the shipped model's name.
        seed: of the calibration list.
        per_class: calibration pictures of each label.
        data_note: what the data are and on which terms they are used, for the card.
        allow_float: write a network that does not run as one block of int8 code, too.
        method: ptq, qat, or auto; see `edge_fer_quantize.methods.to_int8`.
        epochs: of fine-tuning.
        exclude: a list of training pictures to leave out.
        votes: FER+'s table, for a head that says what its voters would.
    """

    model: Path
    data: Path
    name: str
    seed: int
    per_class: int
    data_note: str | None
    allow_float: bool
    method: Method = "auto"
    epochs: int = 3
    exclude: Path | None = None
    votes: Path | None = None


@dataclass(frozen=True, slots=True)
class Quantized:
    """A network before it is written: its card, its bytes, and what it was made of."""

    card: Card
    content: bytes
    model: Any
    calibration: Sequence[LabelledPicture]
    splits: Splits


def quantize(order: Order, today: date) -> Quantized:
    """Quantize a model and judge the result; writes nothing.

    Raises:
        EdgeFerError: model or data are not what they must be, or the network would not run in int8 alone.
    """
    from .convert import load_keras  # noqa: PLC0415  TensorFlow: seconds that --help must not take

    model = load_keras(order.model)
    training = read_run(order.model.with_name("run.json"))
    splits = find_splits(order.data, order.model.parent, order.exclude)
    train, validation = splits.train, splits.validation
    labels = labels_of(training, train)
    if model.outputs[0].shape[-1] != len(labels):
        raise ModelError(
            f"{order.model}: the model gives {model.outputs[0].shape[-1]} logits, but there are {len(labels)} labels: "
            f"{', '.join(labels)}"
        )
    height, width = (int(side) for side in model.inputs[0].shape[1:3])
    calibration = balanced_list(train, labels, order.per_class, order.seed)
    log.info("quantizing with %d pictures", len(calibration))
    pictures = read(calibration, train, validation, labels, (height, width))
    content, account = to_int8(model, pictures, method=order.method, epochs=order.epochs, seed=order.seed)
    obstacles = find_obstacles(list_operators(content, [layer.name for layer in model.layers]))
    refuse_obstacles(obstacles, allow=order.allow_float)
    card = Card(
        name=order.name,
        labels=labels,
        input_size=(height, width),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        float_operators=tuple(f"{one.operator} ({one.layer})" for one in obstacles if one.is_float),
        quantization={
            **account,
            "calibration_pictures": len(calibration),
            "calibration_per_class": order.per_class,
            "seed": order.seed,
            "runtime": runtime_version(),
        },
        data=order.data_note,
        training={key: value for key, value in training.items() if key not in SAID_ELSEWHERE},
        revision=git_revision(Path(__file__).parent),
        created=today.isoformat(),
    )
    if order.votes is not None:
        card = card.model_copy(update={"votes_head": fit_votes_head(content, card, train, order.votes)})
    card = card.model_copy(update={"latency": measure_latency(content, card)})
    return Quantized(scored(card, content, validation), content, model, calibration, splits)


def check_folder(folder: Path) -> None:
    """See before the work that a folder can be written to, and the model card of all networks in it.

    Raises:
        EdgeFerError: it is no folder, or a network in it has no card.
    """
    if folder.exists():
        make_folder(folder)
    for path in folder.glob("*.tflite"):
        read_card(path.with_suffix(".json"))


def write(quantized: Quantized, folder: Path) -> Card:
    """Write network, card, MODEL_CARD.md and calibration list; returns the card as written.

    Crop margins of an earlier card of that name are kept, since they belong to detectors and data, not to weights;
    what the crops are worth and the counted instructions are kept for the very same network alone.
    """
    make_folder(folder)
    card = quantized.card
    if (folder / f"{card.name}.json").exists():
        earlier = read_card(folder / f"{card.name}.json")
        kept: dict[str, Any] = {"crop_margins": earlier.crop_margins}
        if earlier.sha256 == card.sha256:
            kept |= {"crop_fits": earlier.crop_fits, "instructions": earlier.instructions}
            kept |= {"votes_head": card.votes_head or earlier.votes_head}
        card = card.model_copy(update=kept)
    listing = "source,label\n" + "".join(f"{one.source},{one.label}\n" for one in quantized.calibration)
    write_atomically(folder / f"{card.name}.calibration.csv", listing.encode())
    write_atomically(folder / f"{card.name}.tflite", quantized.content)
    write_card(card, folder)
    return card


def scored(card: Card, content: bytes, validation: Sequence[LabelledPicture]) -> Card:
    """Fit the temperature on the validation split, and note every score of the int8 network there."""
    judgement = judge(Network(content, card), card, validation)
    temperature = fit_temperature(judgement.logits, judgement.truth)
    before, after = softmax(judgement.logits), softmax(judgement.logits, temperature)
    calibration = Calibration(
        split="validation",
        nll_before=negative_log_likelihood(before, judgement.truth),
        nll_after=negative_log_likelihood(after, judgement.truth),
        ece_before=expected_calibration_error(before, judgement.truth),
        ece_after=expected_calibration_error(after, judgement.truth),
    )
    scores = {"validation": score(after, judgement.truth, card.labels)}
    return card.model_copy(update={"temperature": temperature, "calibration": calibration, "scores": scores})


def write_card(card: Card, folder: Path) -> None:
    """Write NAME.json, and the MODEL_CARD.md that says to people what the cards of all models in the folder say.

    Raises:
        ModelError: the card of another model there is none.
    """
    write_atomically(folder / f"{card.name}.json", card.to_json().encode())
    names = [path.with_suffix(".json") for path in sorted(folder.glob("*.tflite"))]
    write_atomically(folder / "MODEL_CARD.md", render([read_card(name) for name in names]).encode())


def refuse_obstacles(obstacles: Sequence[Obstacle], *, allow: bool) -> None:
    """Name what keeps the network from being one block of int8 code, and stop there unless it is allowed.

    Raises:
        ModelError: there are obstacles and they are not allowed.
    """
    if obstacles and not allow:
        lines = "\n".join(f"  {one.advice}" for one in obstacles)
        raise ModelError(
            f"the network would not run as one block of int8 code (--allow-float writes it anyway):\n{lines}"
        )
    for one in obstacles:
        log.warning("%s", one.advice)


def read_run(path: Path) -> dict[str, Any]:
    """The trainer's account of a run; empty where there is none.

    Raises:
        ModelError: the file is no JSON object.
    """
    if not path.exists():
        return {}
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not the trainer's account of a run: {error}") from error
    if not isinstance(account, dict):
        raise ModelError(f"{path}: not the trainer's account of a run: it must be a JSON object")
    return account


def labels_of(training: dict[str, Any], train: Sequence[LabelledPicture]) -> tuple[str, ...]:
    """The model's labels: the trainer's account of them, else those of the data in the project's order."""
    if "labels" in training:
        return tuple(training["labels"])
    found = {picture.label for picture in train}
    return (*(label for label in LABELS if label in found), *sorted(found.difference(LABELS)))


def git_revision(folder: Path) -> str | None:
    """Commit of the source tree, with -dirty behind it where files differ; None outside a git tree."""
    command = ["git", "-C", str(folder), "describe", "--always", "--exclude=*", "--abbrev=12", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
