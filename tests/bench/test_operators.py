from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_fer.bench.operators import Cost, Cut, cut_network, operator_table, profile_operators
from edge_fer.detect.edge import shipped_file
from edge_fer.tflite import open_interpreter

TINY = Path(__file__).parents[1] / "fixtures" / "tiny.tflite"


def outputs(content: bytes) -> list[list[int]]:
    """What a network gives for one picture of noise."""
    interpreter = open_interpreter(content)
    takes = interpreter.get_input_details()[0]
    picture = np.random.default_rng(0).integers(-128, 128, takes["shape"], dtype=np.int8)
    interpreter.set_tensor(takes["index"], picture)
    interpreter.invoke()
    return sorted(interpreter.get_tensor(gives["index"]).ravel().tolist() for gives in interpreter.get_output_details())


def test_a_network_is_cut_behind_each_operator_and_the_last_cut_is_all_of_it() -> None:
    cuts = cut_network(TINY.read_bytes())
    assert [(cut.operator, cut.output) for cut in cuts] == [
        ("CONV_2D", (1, 24, 24, 8)),
        ("CONV_2D", (1, 12, 12, 16)),
        ("MAX_POOL_2D", (1, 3, 3, 16)),
        ("RESHAPE", (1, 144)),
        ("FULLY_CONNECTED", (1, 7)),
    ]
    pooled, reshaped, all_of_it = (outputs(cut.content) for cut in cuts[2:])
    assert pooled == reshaped
    assert all_of_it == outputs(TINY.read_bytes())


def test_a_branch_that_nobody_takes_yet_is_an_output_so_that_it_runs() -> None:
    whole = shipped_file().read_bytes()
    cuts = cut_network(whole)
    branches = [len(open_interpreter(cut.content).get_output_details()) for cut in cuts]
    assert (branches[0], max(branches), branches[-1]) == (1, 3, 3)
    assert outputs(cuts[-1].content) == outputs(whole)


class Runtime:
    """Runs a network in as many microseconds as its content says, but for the first run and a disturbance."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.threads: set[int] = set()
        self._runs = 0

    def open_run(self, content: bytes, threads: int) -> Callable[[], None]:
        self.threads.add(threads)

        def run() -> None:
            self._runs += 1
            self.now_ns += 1000 * int(content) + (70_000 if self._runs % 5 == 1 else 0)

        return run

    def __call__(self) -> int:
        return self.now_ns


def test_an_operator_takes_what_its_cut_takes_longer_than_the_one_before() -> None:
    runtime = Runtime()
    cuts = [Cut("CONV_2D", (1, 8, 8, 4), b"30"), Cut("MEAN", (1, 4), b"29"), Cut("ADD", (1, 4), b"41")]
    costs = profile_operators(cuts, threads=2, open_run=runtime.open_run, clock_ns=runtime)
    assert costs == [Cost("CONV_2D", (1, 8, 8, 4), 30.0), Cost("MEAN", (1, 4), -1.0), Cost("ADD", (1, 4), 12.0)]
    assert runtime.threads == {2}
    assert operator_table(costs).splitlines() == [
        "operator                          output        us    share",
        "1 CONV_2D                          8x8x4      30.0    73.2%",
        "2 MEAN                                 4      -1.0    -2.4%",
        "3 ADD                                  4      12.0    29.3%",
        "all                                           41.0",
    ]
