"""What each operator of the model takes.

The runtime's Python `Interpreter` has no profiler, and XNNPACK runs all operators as one. So the network is timed cut
off behind its first operator, behind its second and so on, in the kernels that the daemon uses; what a cut takes
longer than the one before is the operator's time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from edge_fer.tflite import file_schema, open_interpreter

ROUNDS: Final = 10
WARM_UP: Final = 3
REPEATS: Final = 30
_FILE_IDENTIFIER: Final = b"TFL3"

Run: TypeAlias = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Cut:
    """A network that ends behind one of its operators.

    Attributes:
        operator: the last one, such as CONV_2D.
        output: shape of what it gives.
        content: a `.tflite` file's bytes.
    """

    operator: str
    output: tuple[int, ...]
    content: bytes


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operator takes, in microseconds; one that takes next to nothing may come out below 0."""

    operator: str
    output: tuple[int, ...]
    spent_us: float


def cut_network(content: bytes) -> list[Cut]:
    """The network cut off behind each of its operators; the last cut is all of it.

    Args:
        content: a `.tflite` file's bytes; of its subgraphs the first is taken, a classifier has no other.

    Raises:
        ModelError: the runtime is one that cannot read its files.
    """
    schema = file_schema()
    names = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.signatureDefs = None  # they name the outputs of the whole
    graph, cuts = model.subgraphs[0], []
    steps = graph.operators
    for number, step in enumerate(steps, start=1):
        # All that nobody takes yet, since the runtime leaves out what leads to no output.
        taken = {tensor for one in steps[:number] for tensor in one.inputs}
        graph.operators = steps[:number]
        graph.outputs = [tensor for one in steps[:number] for tensor in one.outputs if tensor not in taken]
        code = model.operatorCodes[step.opcodeIndex]
        operator = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        shape = tuple(int(side) for side in graph.tensors[step.outputs[0]].shape)
        cuts.append(Cut(operator, shape, _packed(model)))
    return cuts


def profile_operators(
    cuts: Sequence[Cut],
    *,
    threads: int = 1,
    open_run: Callable[[bytes, int], Run] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> list[Cost]:
    """Time the cuts, each by its fastest run of many, in rounds, so that a disturbance hits none alone.

    Args:
        cuts: see `cut_network`.
        threads: CPU threads that one call may use.
        open_run: loads a network for so many threads and gives what runs it; None: the runtime.
        clock_ns: monotonic nanoseconds.
    """
    runs = [(open_run or _open_run)(cut.content, threads) for cut in cuts]
    least_ns: list[float] = [float("inf")] * len(cuts)
    for _ in range(ROUNDS):
        for number, run in enumerate(runs):
            for _ in range(WARM_UP):
                run()
            for _ in range(REPEATS):
                began_ns = clock_ns()
                run()
                least_ns[number] = min(least_ns[number], clock_ns() - began_ns)
    return [
        Cost(cut.operator, cut.output, (now_ns - before_ns) / 1000)
        for cut, before_ns, now_ns in zip(cuts, [0.0, *least_ns], least_ns, strict=False)
    ]


def operator_table(costs: Sequence[Cost]) -> str:
    """The operators in the order in which they run, and what they come to."""
    total_us = sum(cost.spent_us for cost in costs)
    lines = [f"{'operator':24}{'output':>16}{'us':>10}{'share':>9}"]
    for number, cost in enumerate(costs, start=1):
        shape = "x".join(str(side) for side in cost.output[1:])
        lines.append(f"{f'{number} {cost.operator}':24}{shape:>16}{cost.spent_us:10.1f}{cost.spent_us / total_us:9.1%}")
    return "\n".join([*lines, f"{'all':24}{'':16}{total_us:10.1f}"])


def _open_run(content: bytes, threads: int) -> Run:
    run: Run = open_interpreter(content, threads=threads).invoke
    return run


def _packed(model: Any) -> bytes:
    import flatbuffers  # noqa: PLC0415 - comes with LiteRT

    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), _FILE_IDENTIFIER)
    return bytes(builder.Output())
