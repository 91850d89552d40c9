"""What quantization costs: the same pictures through float Keras, float TFLite and int8 TFLite."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edge_fer.atomic import make_folder, write_atomically
from edge_fer.judgement import judge, label_indices
from edge_fer.metrics import Interval, Scores, mcnemar, score
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import Network, open_interpreter, softmax

from .audit import list_operators
from .calibration import read_pictures
from .ptq import Order, Quantized, quantize


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of the network on the labelled set.

    Attributes:
        name: of the form.
        accuracy: share judged rightly.
        accuracy_ci95: its interval.
        macro_f1: over the labels that occur.
        agreement: share of pictures on which it says what float Keras says.
        mcnemar_p: chance of a difference to float Keras at least this large, if both were equally good.
        size_bytes: of its file.
        ms_per_image: median of one picture on one thread; None for Keras, whose single call measures Python.
    """

    name: str
    accuracy: float
    accuracy_ci95: Interval
    macro_f1: float
    agreement: float
    mcnemar_p: float
    size_bytes: int
    ms_per_image: float | None


@dataclass(frozen=True, slots=True)
class LayerError:
    """How far the int8 network's activations are from the float network's after one operator.

    Attributes:
        layer: the Keras layer.
        operator: TFLite's operator.
        sqnr_db: signal to quantization noise, 10 log10 of the ratio of their mean squares; below ~15 is poor.
    """

    layer: str
    operator: str
    sqnr_db: float


def compare(order: Order, out: Path, today: date) -> str:
    """Quantize, judge all three forms, write compare.json and compare.png.

    Returns:
        The table.
    """
    from .convert import to_float_tflite  # noqa: PLC0415  TensorFlow

    quantized = quantize(order, today)
    card = quantized.card
    validation = quantized.splits.validation
    truth = label_indices(validation, card.labels)
    pictures = read_pictures(validation, card.input_size)
    float_content = to_float_tflite(quantized.model)
    keras_logits = np.asarray(quantized.model.predict(_to_float(pictures), verbose=0))
    float_logits, float_ms = run_float(float_content, pictures)
    int8 = judge(Network(quantized.content, card), card, validation)
    reference = keras_logits.argmax(axis=1)

    def variant(name: str, logits: NDArray[np.float32], size: int, ms: float | None) -> Variant:
        scores: Scores = score(softmax(logits), truth, card.labels)
        said = logits.argmax(axis=1)
        right, reference_right = said == truth, reference == truth
        return Variant(
            name=name,
            accuracy=scores.accuracy,
            accuracy_ci95=scores.accuracy_ci95,
            macro_f1=scores.macro_f1,
            agreement=float((said == reference).mean()),
            mcnemar_p=mcnemar(int((reference_right & ~right).sum()), int((right & ~reference_right).sum())),
            size_bytes=size,
            ms_per_image=ms,
        )

    variants = [
        variant("float Keras", keras_logits, order.model.stat().st_size, None),
        variant("float TFLite", float_logits, len(float_content), float_ms),
        variant("int8 TFLite", int8.logits, len(quantized.content), int8.ms_per_image),
    ]
    some = read_pictures(quantized.calibration[:: max(1, len(quantized.calibration) // 64)], card.input_size)
    layers = layer_errors(float_content, quantized, some)
    make_folder(out)
    report = {
        "n": len(truth),
        "sha256": card.sha256,
        "variants": [asdict(one) for one in variants],
        "layers": [asdict(one) for one in layers],
    }
    write_atomically(out / "compare.json", (json.dumps(report, indent=2) + "\n").encode())
    draw(variants, layers, out / "compare.png")
    return table(variants, layers, len(truth))


def run_float(content: bytes, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Run a float TFLite network on one thread: logits float32 (n, labels) and median milliseconds per picture."""
    interpreter = open_interpreter(content)
    takes, gives = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    logits, spent_ns = [], []
    for picture in pictures:
        start_ns = time.perf_counter_ns()
        interpreter.set_tensor(takes, _to_float(picture[np.newaxis]))
        interpreter.invoke()
        logits.append(interpreter.get_tensor(gives)[0])
        spent_ns.append(time.perf_counter_ns() - start_ns)
    return np.stack(logits), float(np.median(spent_ns)) / 1e6


def layer_errors(float_content: bytes, quantized: Quantized, pictures: NDArray[np.uint8]) -> list[LayerError]:
    """Signal to quantization noise behind every operator that both networks share, over some pictures.

    Args:
        float_content: the float TFLite network's bytes.
        quantized: the int8 network.
        pictures: uint8 (n, height, width).
    """
    names = [layer.name for layer in quantized.model.layers]
    skipped = {"QUANTIZE", "DEQUANTIZE"}
    floats = [one for one in list_operators(float_content, names) if one.name not in skipped]
    integers = [one for one in list_operators(quantized.content, names) if one.name not in skipped]
    if [one.name for one in floats] != [one.name for one in integers]:
        return []  # the converter fused them differently: there is nothing to set side by side
    read_float = _tensor_reader(float_content, _to_float)
    read_int8 = _tensor_reader(quantized.content, to_model_input)
    signal, noise = np.zeros(len(floats)), np.zeros(len(floats))
    for picture in pictures[:, np.newaxis]:
        exact = read_float(picture, [one.output for one in floats])
        rounded = read_int8(picture, [one.output for one in integers])
        signal += [np.square(a).sum() for a in exact]
        noise += [np.square(a - b).sum() for a, b in zip(exact, rounded, strict=True)]
    ratio = 10 * np.log10(signal / np.maximum(noise, np.finfo(np.float64).tiny))
    return [LayerError(one.layer, one.name, float(db)) for one, db in zip(floats, ratio, strict=True)]


def _tensor_reader(
    content: bytes, prepare: Callable[[NDArray[np.uint8]], NDArray[Any]]
) -> Callable[[NDArray[np.uint8], list[int]], list[NDArray[np.float64]]]:
    """A function that runs one picture, uint8 (1, height, width), and returns tensors as real numbers."""
    interpreter = open_interpreter(content, keep_tensors=True)
    takes = interpreter.get_input_details()[0]["index"]
    codes = {one["index"]: one["quantization"] for one in interpreter.get_tensor_details()}

    def read(picture: NDArray[np.uint8], tensors: list[int]) -> list[NDArray[np.float64]]:
        interpreter.set_tensor(takes, prepare(picture))
        interpreter.invoke()
        values = []
        for tensor in tensors:
            scale, zero_point = codes[tensor]
            real = interpreter.get_tensor(tensor).astype(np.float64)
            values.append((real - zero_point) * scale if scale else real)
        return values

    return read


def _to_float(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.divide(pictures, 255, dtype=np.float32)[..., np.newaxis]


def table(variants: list[Variant], layers: list[LayerError], n: int) -> str:
    """The comparison as lines of text."""
    lines = [
        f"{f'{n} pictures':18}{'accuracy':>9}{'95 % interval':>18}{'macro F1':>10}{'agrees':>8}{'p':>7}"
        f"{'bytes':>11}{'ms':>8}"
    ]
    for one in variants:
        low, high = one.accuracy_ci95
        ms = "" if one.ms_per_image is None else f"{one.ms_per_image:.3f}"
        lines.append(
            f"{one.name:18}{one.accuracy:9.2%}{f'{low:.2%} to {high:.2%}':>18}{one.macro_f1:10.3f}"
            f"{one.agreement:8.1%}{one.mcnemar_p:7.2f}{one.size_bytes:11,}{ms:>8}"
        )
    lines += ["", "signal to quantization noise behind each operator, dB:"]
    lines += [f"{one.sqnr_db:7.1f}  {one.layer} ({one.operator})" for one in layers]
    return "\n".join(lines)


def draw(variants: list[Variant], layers: list[LayerError], path: Path) -> None:
    """Draw accuracies with their intervals, and the noise layer by layer."""
    figure = Figure(figsize=(10, 1.5 + 0.3 * max(6, len(layers))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 2])
    values = np.array([one.accuracy for one in variants])
    bounds = np.array([one.accuracy_ci95 for one in variants]).T
    left.errorbar([one.name for one in variants], values, np.abs(bounds - values), fmt="o", capsize=6)
    left.set(ylabel="accuracy", title="with 95 % interval")
    places = np.arange(len(layers))
    right.barh(places, [one.sqnr_db for one in layers])
    right.set_yticks(places, [f"{one.layer} ({one.operator})" for one in layers], fontsize=7)
    right.invert_yaxis()
    right.set(xlabel="signal to quantization noise, dB")
    figure.savefig(path, dpi=120)
