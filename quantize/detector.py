"""Quantizes a trained face detector: int8 with a range for every value, and a threshold found on held-out scenes."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.detect import Detector
from edge_fer.detect.edge import Edge
from edge_fer.detect.edge_card import EdgeCard
from edge_fer.detect.grid import STRIDES_PX, VALUES
from edge_fer.detect.judge import SIZES_PX, Tally, judge, known_of
from edge_fer.detect.scenes import Scene, load_scenes
from edge_fer.errors import DataError, ModelError
from edge_fer.tflite import runtime_version

from .audit import find_obstacles, list_operators
from .detectorcard import write_detector_card
from .progress import track
from .ptq import git_revision, read_run, refuse_obstacles

log = logging.getLogger(__name__)

INPUT_PX: Final = (240, 320)
"""Height and width of the input that the file names; the daemon gives it others."""
SEARCHES_PX: Final = (320, 160)
"""Longer sides at which the threshold is found."""
THRESHOLD: Final = 0.75
"""What the calibrated threshold is called, so that `detector.min_score` means the same for every detector."""
_LOWEST_LOGIT: Final = -6.0
_LOWEST: Final = 0.05
"""Score from which boxes are looked at in the search for the threshold."""
_SHIFTS: Final = (-0.5, -0.25, 0.0, 0.25, 0.5)
"""Of the score logits of the second and third stride against the first, of which all combinations are tried."""
_SEEN: Final = 0.1
"""Score from which a cell's box and landmarks may ever be read."""
_CLIPPED: Final = 0.2
"""Percentage at either end of a value's range that is cut off."""


@dataclass(frozen=True, slots=True)
class DetectorOrder:
    """What to quantize, and with what.

    Attributes:
        model: the trainer's `detector.keras`; run.json may lie beside it.
        data: folder of the scenes, see `edge_fer.detect.scenes`.
        name: the shipped network's name.
        pictures: scenes that set the ranges.
        seed: of their choice.
        data_note: what the data are and on which terms they are used, for the card.
    """

    model: Path
    data: Path
    name: str = "edge"
    pictures: int = 400
    seed: int = 0
    data_note: str | None = None


def quantize_detector(
    order: DetectorOrder, folder: Path, today: date, yardsticks: Mapping[int, Detector] | None = None
) -> EdgeCard:
    """Write NAME.tflite, NAME.json and MODEL_CARD.md.

    Args:
        order: what to quantize.
        folder: receives the files.
        today: day of the quantization.
        yardsticks: for each of `SEARCHES_PX` a detector whose false boxes on held-out scenes the network's may not
            outnumber; None allows none.

    Returns:
        The card as written.

    Raises:
        EdgeFerError: model or data are not what they must be, or the network would not run in int8 alone.
    """
    from .convert import to_int8_tflite  # noqa: PLC0415  TensorFlow: seconds that --help must not take

    net = _load(order.model)
    pictures = _pictures(load_scenes(order.data, held_out=False), order.pictures, order.seed)
    offsets, factors = _spread(net, pictures)
    content = to_int8_tflite(_fixed(net), pictures)
    refuse_obstacles(find_obstacles(list_operators(content, [layer.name for layer in net.layers])), allow=False)
    card = EdgeCard(
        name=order.name,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        offsets=tuple(map(tuple, offsets.tolist())),
        factors=tuple(map(tuple, factors.tolist())),
        quantization={
            "method": "post-training, full integer, weights per channel, outputs per value",
            "calibration_pictures": len(pictures),
            "seed": order.seed,
            "runtime": runtime_version(),
        },
        data=order.data_note,
        training=read_run(order.model.with_name("run.json")),
        revision=git_revision(Path(__file__).parent),
        created=today.isoformat(),
    )
    make_folder(folder)
    card = _calibrated(card, content, folder, load_scenes(order.data, held_out=True), yardsticks)
    write_atomically(folder / f"{card.name}.tflite", content)
    write_detector_card(card, folder)
    return card


def yunet_yardsticks(file: Path) -> dict[int, Detector]:
    """YuNet at its default threshold, searching as the network will.

    Raises:
        DetectorError: the file is missing or is not YuNet.
    """
    from edge_fer.detect.yunet import YuNet  # noqa: PLC0415  not needed without

    return {search_px: YuNet(model=file, min_score=0.75, search_px=search_px) for search_px in SEARCHES_PX}


def _load(path: Path) -> Any:
    import keras  # noqa: PLC0415  likewise
    import tensorflow as tf  # noqa: PLC0415  likewise

    class DepthToSpace(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
        def call(self, inputs: Any) -> Any:
            return tf.nn.depth_to_space(inputs, 2)

    if not path.is_file():
        raise ModelError(f"{path}: no such file; the trainer leaves detector.keras in its run folder")
    try:
        net = keras.saving.load_model(path, custom_objects={"edge_fer>DepthToSpace": DepthToSpace}, compile=False)
    except (ValueError, OSError, TypeError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{path}: this is no detector that can be loaded: {reason}") from error
    if [output.shape[-1] for output in net.outputs] != [VALUES] * len(STRIDES_PX):
        raise ModelError(f"{path}: a detector has {len(STRIDES_PX)} outputs of {VALUES} channels; train one")
    return net


def _fixed(net: Any) -> Any:
    import keras  # noqa: PLC0415  likewise

    picture = keras.Input((*INPUT_PX, 1))
    return keras.Model(picture, net(picture))


def _pictures(scenes: list[Scene], count: int, seed: int) -> NDArray[np.uint8]:
    """Scenes as the daemon would search them, some smaller, some darker: uint8 (count, *INPUT_PX)."""
    rng = np.random.default_rng(seed)
    with_faces = np.flatnonzero([len(scene.boxes) > 0 for scene in scenes])
    if not len(with_faces):
        raise DataError("none of the scenes has a face in it")
    chosen = np.concatenate([rng.choice(with_faces, count * 3 // 4), rng.integers(len(scenes), size=count // 4)])
    pictures = np.zeros((len(chosen), *INPUT_PX), np.uint8)
    for picture, index in zip(pictures, chosen.tolist(), strict=True):
        pixels = scenes[index].pixels
        largest = min(INPUT_PX[0] / pixels.shape[0], INPUT_PX[1] / pixels.shape[1])
        scale = largest * rng.choice([1.0, 1.0, 0.7, 0.45])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture[: small.shape[0], : small.shape[1]] = small * rng.choice([1.0, 1.0, 0.6, 0.3])
    return pictures


def _spread(net: Any, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rescale the last convolutions in place, so that every value of a cell fills the range 0 to 6 of a ReLU6.

    A common range of the fifteen values would give a box the steps of a score. Where no face is, box and landmarks
    are cut off: nobody reads them there.

    Returns:
        float64 (strides, values) each: value = offset + factor * output.
    """
    import keras  # noqa: PLC0415  likewise

    outputs = net.predict(pictures[..., None] * np.float32(1 / 255), batch_size=16, verbose=0)
    offsets, factors = np.zeros((len(STRIDES_PX), VALUES)), np.ones((len(STRIDES_PX), VALUES))
    for i, (tensor, values) in enumerate(zip(net.outputs, outputs, strict=True)):
        cells = values.reshape(-1, VALUES)
        seen = cells[cells[:, 0] > np.log(_SEEN / (1 - _SEEN))]
        if len(seen) < VALUES:
            raise ModelError(f"the network sees hardly a face at stride {STRIDES_PX[i]}: train it longer")
        low, high = np.percentile(seen, [_CLIPPED, 100 - _CLIPPED], axis=0)
        low, high = low - 0.05 * (high - low), high + 0.05 * (high - low)
        low[0], high[0] = _LOWEST_LOGIT, seen[:, 0].max() + 0.5
        offsets[i], factors[i] = low, (high - low) / 6
        layer = next(layer for layer in net.layers if layer.output is tensor)
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel / factors[i], (bias - low) / factors[i]])
        layer.activation = keras.activations.relu6
    return offsets, factors


def _calibrated(
    card: EdgeCard, content: bytes, folder: Path, scenes: list[Scene], yardsticks: Mapping[int, Detector] | None
) -> EdgeCard:
    """Shift the scores so that at `THRESHOLD` there are no more false boxes than the yardsticks have.

    Those that a second look makes sure of are not foretold by the scores of the first; what they add is measured.

    The strides are shifted against each other so that most faces are found: each learned from faces of its own sizes,
    and what is a sure score on one is not on another.
    """
    known = [known_of(scene) for scene in scenes]
    allowed = {
        search_px: len(judge(yardsticks[search_px], known, search_px).false_scores) if yardsticks else 0
        for search_px in SEARCHES_PX
    }
    trial = folder / f".trial-{card.name}.tflite"
    try:
        trial.write_bytes(content)

        def tallies(candidate: EdgeCard, min_score: float) -> dict[int, Tally]:
            trial.with_suffix(".json").write_text(candidate.to_json(), encoding="utf-8")
            return {
                search_px: judge(Edge(model=trial, min_score=min_score, search_px=search_px), known, search_px)
                for search_px in SEARCHES_PX
            }

        def calibrated(shifts: tuple[float, ...]) -> EdgeCard:
            candidate = _shifted(card, shifts)
            false = {search_px: tally.false_scores for search_px, tally in tallies(candidate, _LOWEST).items()}
            raw = max([_LOWEST, *(one[allowed[px]] for px, one in false.items() if len(one) > allowed[px])])
            shift = _logit(THRESHOLD) - _logit(raw) - 0.02
            return _shifted(card, tuple(one + shift for one in shifts))

        tried = list(product(_SHIFTS, repeat=len(STRIDES_PX) - 1))
        candidates = [calibrated((0.0, *shifts)) for shifts in track(tried, "thresholds")]
        found = [sum(tally.recall for tally in tallies(one, THRESHOLD).values()) for one in candidates]
        best = candidates[int(np.argmax(found))]
        measured = _measured(tallies(best, THRESHOLD))
    finally:
        trial.unlink(missing_ok=True)
        trial.with_suffix(".json").unlink(missing_ok=True)
    shifts = [now[0] - before[0] for now, before in zip(best.offsets, card.offsets, strict=True)]
    raws = [round(float(1 / (1 + np.exp(shift - _logit(THRESHOLD)))), 4) for shift in shifts]
    log.info("thresholds %s of the network are called %.2f; false boxes allowed: %s", raws, THRESHOLD, allowed)
    notes = {
        **card.quantization,
        "thresholds_raw": raws,
        "false_boxes_allowed": {str(k): v for k, v in allowed.items()},
    }
    return best.model_copy(update={"measured": measured, "quantization": notes})


def measure_held_out(model: Path, data: Path) -> dict[str, Any]:
    """Search the held-out scenes with a quantized detector as the daemon does, its card's thresholds given.

    Args:
        model: the `.tflite` file, its card beside it.
        data: scenes.zip, scenes.csv and faces.csv.

    Returns:
        what `EdgeCard.measured` holds.

    Raises:
        EdgeFerError: model or data are not what they must be.
    """
    known = [known_of(scene) for scene in load_scenes(data, held_out=True)]
    return _measured({px: judge(Edge(model=model, min_score=THRESHOLD, search_px=px), known, px) for px in SEARCHES_PX})


def _measured(tallies: Mapping[int, Tally]) -> dict[str, Any]:
    return {f"held_out_{search_px}": _figures(tally) for search_px, tally in tallies.items()}


def _shifted(card: EdgeCard, shifts: tuple[float, ...]) -> EdgeCard:
    """The card with something added to the score logits of each stride."""
    offsets = [(row[0] + shift, *row[1:]) for row, shift in zip(card.offsets, shifts, strict=True)]
    return EdgeCard.model_validate(card.model_dump() | {"offsets": offsets})


def _logit(score: float) -> float:
    return float(np.log(score / (1 - score)))


def _figures(tally: Tally) -> dict[str, Any]:
    return {
        "frames": tally.frames,
        "size_limits_px": list(SIZES_PX[:-1]),
        "faces": tally.there.tolist(),
        "found": tally.found.tolist(),
        "false_boxes": len(tally.false_scores),
        "mean_iou": round(float(np.mean(tally.overlaps)), 4) if tally.overlaps else None,
    }
