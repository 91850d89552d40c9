"""Runs an int8 network; the only importer of a TFLite runtime.

LiteRT first, else its predecessor tflite-runtime: 32-bit Arm has wheels of that alone.
"""

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge_fer.card import Card
from edge_fer.errors import ModelError

Logits: TypeAlias = NDArray[np.float32]

INPUT_SCALE: Final = np.float32(1 / 255)
INPUT_ZERO_POINT: Final = -128


class Network:
    """A network ready to run, checked against its card. Not for several threads at once."""

    def __init__(self, content: bytes, card: Card, *, threads: int = 1) -> None:
        """Load the network and check its tensors.

        Args:
            content: the `.tflite` file's bytes.
            card: the network's card.
            threads: CPU threads that one call may use.

        Raises:
            ModelError: the runtime is missing or refuses the network, or its tensors are not what the card says.
        """
        self._interpreter = open_interpreter(content, threads=threads)
        takes, gives = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        _check_input(takes, card)
        _check_output(gives, card)
        self._input, self._output = takes["index"], gives["index"]
        scale, zero_point = gives["quantization"]
        self._scale, self._zero_point = np.float32(scale), np.float32(zero_point)

    def logits(self, batch: NDArray[np.int8]) -> Logits:
        """Judge one face.

        Args:
            batch: int8 (1, height, width, 1), as `edge_fer.preprocess.to_model_input` makes it.

        Returns:
            float32 (labels,): the dequantized logits.
        """
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        codes: NDArray[np.int8] = self._interpreter.get_tensor(self._output)[0]
        logits: Logits = (codes.astype(np.float32) - self._zero_point) * self._scale
        return logits


def softmax(logits: NDArray[np.floating[Any]], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities of logits divided by a temperature, over the last axis; float64 of the same shape."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def open_interpreter(
    content: bytes, *, threads: int = 1, keep_tensors: bool = False, input_shape: tuple[int, ...] | None = None
) -> Any:
    """Load a network of any kind into the runtime and allocate its tensors.

    Args:
        content: the `.tflite` file's bytes.
        threads: CPU threads that one call may use.
        keep_tensors: leave intermediate tensors readable, which needs XNNPACK off; for inspection only.
        input_shape: of the input, for a network that takes other shapes than the file's; None leaves it.

    Raises:
        ModelError: no runtime is installed, or it refuses the network.
    """
    runtime = _runtime()
    options: dict[str, Any] = {"model_content": content, "num_threads": threads}
    if keep_tensors:
        options["experimental_preserve_all_tensors"] = True
        options["experimental_op_resolver_type"] = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with _without_chatter():
            interpreter = runtime.Interpreter(**options)
            if input_shape is not None:
                interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], input_shape)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"the TFLite runtime refuses the model, its file may be damaged: {reason}") from error
    return interpreter


def runtime_version() -> str:
    """Name and version of the runtime that is used, such as "ai-edge-litert 2.3.0".

    Raises:
        ModelError: no runtime is installed.
    """
    distribution = _runtime().__name__.split(".")[0].replace("_", "-")
    return f"{distribution} {metadata.version(distribution)}"


def file_schema() -> ModuleType:
    """Reader and writer of `.tflite` files, which LiteRT brings along.

    Raises:
        ModelError: LiteRT is not installed; tflite-runtime brings none.
    """
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise ModelError("looking into a model needs LiteRT, tflite-runtime cannot: pip install ai-edge-litert")
    return importlib.import_module("ai_edge_litert.schema_py_generated")


def _runtime() -> ModuleType:
    for name in ("ai_edge_litert", "tflite_runtime"):
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(f"{name}.interpreter")
    raise ModelError("no TFLite runtime is installed: pip install ai-edge-litert (32-bit Arm: tflite-runtime)")


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Hold back what the runtime's C++ prints on loading, and pass on all of it but the INFO lines.

    It writes to file descriptor 2 and knows no switch. Whatever else is written meanwhile is passed on as well.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)  # a full pipe must lose text, never stop the process
    stderr = os.dup(2)
    os.dup2(writer, 2)
    os.close(writer)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        with os.fdopen(reader, "rb") as held:
            for line in held:
                if not line.startswith(b"INFO: "):
                    os.write(2, line)


def _check_input(tensor: dict[str, Any], card: Card) -> None:
    height, width = card.input_size
    _refuse_float(tensor, "input")
    if tuple(tensor["shape"]) != (1, height, width, 1):
        raise ModelError(
            f"the model {card.name!r} takes {_shape(tensor)}, but its card says 1x{height}x{width}x1: "
            "the two belong to different models"
        )
    scale, zero_point = tensor["quantization"]
    if (np.float32(scale), zero_point) != (INPUT_SCALE, INPUT_ZERO_POINT):
        raise ModelError(
            f"the model {card.name!r} takes gray values with scale {scale:.7f} and zero point {zero_point}, but "
            f"the daemon gives scale 1/255 and zero point {INPUT_ZERO_POINT}: quantize it with edge-fer-quantize"
        )


def _check_output(tensor: dict[str, Any], card: Card) -> None:
    _refuse_float(tensor, "output")
    if tuple(tensor["shape"]) != (1, len(card.labels)):
        raise ModelError(
            f"the model {card.name!r} gives {_shape(tensor)}, but its card names {len(card.labels)} labels "
            f"({', '.join(card.labels)}): the two belong to different models"
        )


def _refuse_float(tensor: dict[str, Any], side: str) -> None:
    if tensor["dtype"] is not np.int8:
        raise ModelError(
            f"the model's {side} is {np.dtype(tensor['dtype']).name}, but the daemon runs int8 networks only: "
            "quantize the Keras model with edge-fer-quantize"
        )


def _shape(tensor: dict[str, Any]) -> str:
    return "x".join(str(side) for side in tensor["shape"])
