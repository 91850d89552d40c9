"""`edge-fer bench`: the daemon's own frame path, timed on the machine that it runs on.

The method is MLPerf Inference's single-stream scenario (Reddi et al., "MLPerf Inference Benchmark", ISCA 2020): one
frame after the other, percentiles rather than means; with a warm-up before the window, as TensorFlow Lite's
`benchmark_model` has it. `docs/benchmarks.md` tells it to owners.
"""

from edge_fer.bench.command import Wanted, run_bench

__all__ = ["Wanted", "run_bench"]
