"""How long a network takes for a face on this host, and what it takes on others, counted elsewhere."""

import json
import time
from pathlib import Path
from typing import Final

import numpy as np

from edge_fer import board
from edge_fer.card import Card, Latency
from edge_fer.errors import DataError
from edge_fer.preprocess import to_model_input
from edge_fer.tflite import Network, runtime_version

WARM_UP: Final = 50
RUNS: Final = 500


def measure_latency(content: bytes, card: Card) -> Latency:
    """Time a network from face crop to logits on one thread; the median bears other work on the machine best."""
    network = Network(content, card, threads=1)
    crop = np.random.default_rng(0).integers(0, 256, card.input_size, dtype=np.uint8)
    spent_ns = []
    for _ in range(WARM_UP + RUNS):
        start_ns = time.perf_counter_ns()
        network.logits(to_model_input(crop))
        spent_ns.append(time.perf_counter_ns() - start_ns)
    p50_ms, p90_ms = np.percentile(spent_ns[WARM_UP:], [50, 90]) / 1e6
    return Latency(
        p50_ms=round(float(p50_ms), 4),
        p90_ms=round(float(p90_ms), 4),
        threads=1,
        cpu=board.model_name(),
        runtime=runtime_version(),
    )


def read_instructions(path: Path, name: str) -> dict[str, int]:
    """Instructions per face, from crop to logits, by processor core.

    Args:
        path: what `tests/pi/table.py --parts network --json FILE` writes: `counts` by core, of them `NAME: logits`.
        name: the model's.

    Raises:
        DataError: the file is something else, or knows no such model.
    """
    try:
        counts = json.loads(path.read_text(encoding="utf-8"))["counts"]
        return {core: int(found[f"{name}: logits"]) for core, found in counts.items()}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path}: no counts of instructions by processor core: {error}") from error
    except KeyError as error:
        raise DataError(f"{path}: there is no {error} in it: count that model, too") from error
