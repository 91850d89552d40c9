"""Says which operators of a network would keep it from running as one block of int8 code.

XNNPACK, the runtime's fast path, takes a chain of int8 operators in one piece. An operator that it does not
know in int8 breaks the chain, and one that has no integer form at all is wrapped in dequantize and quantize:
either can cost more time than the whole rest. The file is read as a flatbuffer, without running it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ai_edge_litert import schema_py_generated as schema

INT8_OPERATORS: Final = frozenset(
    """
    ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D FULLY_CONNECTED LEAKY_RELU LOGISTIC MAX_POOL_2D
    MEAN MUL PAD REDUCE_MAX RESHAPE RESIZE_BILINEAR SPACE_TO_DEPTH SPLIT STRIDED_SLICE SUB SUM TANH TRANSPOSE
    TRANSPOSE_CONV
    """.split()  # noqa: SIM905  easier to read than a list of quoted words
)
"""What XNNPACK takes in int8: each was put between two convolutions, and LiteRT 2.3 made one block of all."""

INSTEAD: Final = {
    "AVERAGE_POOL_2D": "MaxPooling2D or a strided convolution; GlobalAveragePooling2D at the end is fine",
    "SOFTMAX": "nothing: the daemon takes the softmax itself",
}
ACTIVATION_INSTEAD: Final = "ReLU or ReLU6 right behind a convolution, or LeakyReLU"
ACTIVATIONS: Final = frozenset({"ELU", "EXP", "GELU", "HARD_SWISH", "LOG", "PRELU", "RELU", "RELU6"})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An operator outside the int8 chain.

    Attributes:
        operator: TFLite's name of it, such as "PRELU".
        layer: the Keras layer that it comes from.
        is_float: it has no integer form and runs in float; else it is int8, but unknown to XNNPACK.
    """

    operator: str
    layer: str
    is_float: bool

    @property
    def advice(self) -> str:
        """One sentence: what, where, and what to use instead."""
        why = "runs in float between a dequantize and a quantize" if self.is_float else "has no int8 XNNPACK kernel"
        default = ACTIVATION_INSTEAD if self.operator in ACTIVATIONS else "a layer made of convolution, ReLU or add"
        return f"layer {self.layer!r}: {self.operator} {why}; use {INSTEAD.get(self.operator, default)}"


@dataclass(frozen=True, slots=True)
class Operator:
    """One step of a network: TFLite's name of it, the Keras layer it comes from, and the tensor it makes."""

    name: str
    layer: str
    output: int
    is_float: bool


def list_operators(content: bytes, layers: Sequence[str]) -> list[Operator]:
    """The steps of a network in the order of execution; the first subgraph's, a classifier has no other.

    Args:
        content: a `.tflite` file's bytes.
        layers: names of the Keras model's layers, the last one at the end.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    names = set(layers)
    operators = []
    for step in graph.operators:
        result = graph.tensors[step.outputs[0]]
        is_last = step.outputs[0] in graph.outputs  # the converter gives that tensor a name of its own
        operators.append(
            Operator(
                name=_operator_name(model.operatorCodes[step.opcodeIndex]),
                layer=layers[-1] if is_last else _layer_of(result.name.decode(), names),
                output=int(step.outputs[0]),
                is_float=result.type == schema.TensorType.FLOAT32,
            )
        )
    return operators


def find_obstacles(operators: Iterable[Operator]) -> list[Obstacle]:
    """Every operator of a quantized network that breaks the int8 chain, in the order of execution."""
    return [
        Obstacle(one.name, one.layer, one.is_float)
        for one in operators
        # QUANTIZE and DEQUANTIZE only stand around what caused them.
        if one.name not in {"QUANTIZE", "DEQUANTIZE"} and (one.is_float or one.name not in INT8_OPERATORS)
    ]


def _operator_name(code: Any) -> str:
    value = max(code.builtinCode, code.deprecatedBuiltinCode)
    operators: dict[str, int] = vars(schema.BuiltinOperator)
    return next(name for name, number in operators.items() if number == value)


def _layer_of(tensor: str, layers: set[str]) -> str:
    """Find the layer in a tensor's name, a path of scopes: Keras appends _1 to a layer's name there."""
    for part in re.split(r"[/;]", tensor):
        for candidate in (re.sub(r"_\d+$", "", part), part):
            if candidate in layers:
                return candidate
    return tensor
