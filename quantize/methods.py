"""Chooses how a network becomes int8: post-training quantization, or fine-tuning with the rounding where that hurts."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_fer.errors import ModelError
from edge_fer.judgement import label_indices
from edge_fer.labelled import LabelledPicture
from edge_fer.preprocess import Size, to_model_input
from edge_fer.tflite import open_interpreter

from .calibration import read_pictures

log = logging.getLogger(__name__)

Method = Literal["auto", "ptq", "qat"]

PTQ: Final = "post-training, full integer, weights per channel"
QAT: Final = "fine-tuned with the rounding, full integer, weights per channel"

LARGEST_LOSS: Final = 0.003
"""Accuracy that a network may lose to plain quantization before `auto` fine-tunes it."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """What a network is quantized with.

    Attributes:
        calibration: uint8 (n, height, width); set the ranges.
        train: for fine-tuning, read only then.
        validation: uint8 (n, height, width); say what was lost.
        truth: int64 (n,), the right labels of `validation`.
        size: height and width of the network's input.
    """

    calibration: NDArray[np.uint8]
    train: Sequence[LabelledPicture]
    validation: NDArray[np.uint8]
    truth: NDArray[np.int64]
    size: Size


def read(
    calibration: Sequence[LabelledPicture],
    train: Sequence[LabelledPicture],
    validation: Sequence[LabelledPicture],
    labels: Sequence[str],
    size: Size,
) -> Pictures:
    """Decode what every method needs.

    Raises:
        DataError: a picture cannot be read, or its label is not one of the model's.
    """
    truth = label_indices(validation, labels)
    return Pictures(read_pictures(calibration, size), train, read_pictures(validation, size), truth, size)


def to_int8(
    model: Any, pictures: Pictures, *, method: Method, epochs: int, seed: int
) -> tuple[bytes, dict[str, int | float | str]]:
    """Quantize a network.

    Args:
        model: what `edge_fer_quantize.convert.load_keras` returns.
        pictures: to do it with.
        method: ptq, qat (fine-tuning), or auto: qat when ptq loses more than `LARGEST_LOSS` and qat less.
        epochs: of fine-tuning.
        seed: of fine-tuning.

    Returns:
        The `.tflite` file's bytes, and an account of how it was made.

    Raises:
        ModelError: the network has a layer that cannot be fine-tuned, and qat was asked for.
    """
    from .convert import to_int8_tflite  # noqa: PLC0415  TensorFlow: seconds that --help must not take

    def share_right(said: NDArray[np.int64]) -> float:
        return float((said == pictures.truth).mean())

    real = share_right(_judge_float(model, pictures.validation))
    account: dict[str, int | float | str] = {"method": PTQ, "accuracy_float": real}
    content, plain = b"", 0.0
    if method != "qat":
        content = to_int8_tflite(model, pictures.calibration)
        account["accuracy_ptq"] = plain = share_right(_judge(content, pictures.validation))
        log.info("post-training quantization loses %.2f percentage points", 100 * (real - plain))
        if method == "ptq" or real - plain <= LARGEST_LOSS:
            return content, account
    try:
        tuned = _fine_tuned(model, pictures, epochs=epochs, seed=seed)
    except ModelError as error:
        if method == "qat":
            raise
        log.warning("%s", error)
        return content, account
    account["accuracy_qat"] = aware = share_right(_judge(tuned, pictures.validation))
    log.info("fine-tuned with the rounding it loses %.2f percentage points", 100 * (real - aware))
    if method == "auto" and aware <= plain:
        return content, account
    return tuned, account | {"method": QAT, "epochs": epochs, "fine_tuning_pictures": len(pictures.train)}


def _fine_tuned(model: Any, pictures: Pictures, *, epochs: int, seed: int) -> bytes:
    from .convert import trained_to_int8_tflite  # noqa: PLC0415  TensorFlow
    from .fold import fold  # noqa: PLC0415  Keras
    from .qat import fine_tune  # noqa: PLC0415  TensorFlow

    fold(model)  # refuses what it must refuse before all pictures are read
    train = read_pictures(pictures.train, pictures.size)
    log.info("fine-tuning with %d pictures", len(train))
    return trained_to_int8_tflite(fine_tune(model, pictures.calibration, train, epochs=epochs, seed=seed))


def _judge_float(model: Any, pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    real = np.divide(pictures, 255, dtype=np.float32)[..., np.newaxis]
    said: NDArray[np.int64] = np.asarray(model.predict(real, verbose=0)).argmax(axis=1)
    return said


def _judge(content: bytes, pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
    """What an int8 network says; its steps are all of one size, so the largest code is the largest logit."""
    interpreter = open_interpreter(content)
    takes, gives = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    said = np.empty(len(pictures), np.int64)
    for number, picture in enumerate(pictures):
        interpreter.set_tensor(takes, to_model_input(picture))
        interpreter.invoke()
        said[number] = interpreter.get_tensor(gives)[0].argmax()
    return said
