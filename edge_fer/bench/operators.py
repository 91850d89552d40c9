"""What each operator of the model takes.

The runtime's Python `Interpreter` has no profiler; its command line tool `benchmark_model` has one, and is what runs
here, where it is installed.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final

from edge_fer.errors import ModelError

TOOL: Final = "benchmark_model"
_TIMEOUT_S: Final = 120.0


def find_tool() -> str:
    """Where the tool is.

    Raises:
        ModelError: it is not installed.
    """
    program = shutil.which(TOOL)
    if program is None:
        raise ModelError(
            f"there is no operator profile: LiteRT's Python interpreter offers none, and {TOOL} is not on the PATH; "
            "LiteRT's page on measuring performance says where it is to be had"
        )
    return program


def profile_operators(model: Path, *, threads: int, tool: str) -> str:
    """The tool's own table of the operators and their times.

    Args:
        model: the `.tflite` file.
        threads: that one call may use.
        tool: path of the tool.

    Raises:
        ModelError: the tool fails.
    """
    command = [tool, f"--graph={model}", f"--num_threads={threads}", "--enable_op_profiling=true"]
    try:
        done = subprocess.run(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"{tool} cannot be run: {error}") from error
    if done.returncode:
        lines = done.stdout.strip().splitlines() or ["it does not say why"]
        raise ModelError(f"{tool} failed with exit code {done.returncode}: {lines[-1]}")
    return done.stdout
