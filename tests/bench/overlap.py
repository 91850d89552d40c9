"""Would it pay to run detector and classifier at once? The dearest frame, a search and a judgement, in three ways.

    python tests/bench/overlap.py --detector edge

Of many turns the fastest and the middle one of each way, which take turns with each other; it tells of two idle cores
only if there are two. EDGE_FER_MODELS is the folder of YuNet's file.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import cv2
import numpy as np

from edge_fer.bench.scene import SyntheticScene
from edge_fer.card import find_model, load_model_files
from edge_fer.config import DetectorConfig
from edge_fer.detect import open_detector
from edge_fer.preprocess import to_model_input
from edge_fer.records import Frame
from edge_fer.tflite import Network

ROUNDS: Final = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="edge", help="kind (%(default)s)")
    parser.add_argument("--turns", type=int, default=1000, help="of each way (%(default)s)")
    args = parser.parse_args()
    frame = Frame(SyntheticScene(width=640, height=480, faces=1).read().pixels, 0.0, 0)
    card, content = load_model_files(find_model("emotion"))
    crop = to_model_input(np.zeros(card.input_size, np.uint8))
    detectors = {count: open_detector(DetectorConfig(kind=args.detector), threads=count) for count in (1, 2)}
    networks = {count: Network(content, card, threads=count) for count in (1, 2)}
    helper = ThreadPoolExecutor(1)

    def in_turn(threads: int) -> None:
        detectors[threads].detect(frame)
        networks[threads].logits(crop)

    def at_once() -> None:
        judged = helper.submit(networks[1].logits, crop)
        detectors[1].detect(frame)
        judged.result()

    ways: dict[str, tuple[int, Callable[[], None]]] = {
        "one after the other": (1, lambda: in_turn(1)),
        "at once": (1, at_once),
        "one after the other, two threads each": (2, lambda: in_turn(2)),
    }
    spent_ms: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (threads, way) in ways.items():
            cv2.setNumThreads(threads)
            way()
            for _ in range(args.turns // ROUNDS):
                began_ns = time.perf_counter_ns()
                way()
                spent_ms[name].append((time.perf_counter_ns() - began_ns) / 1e6)
    for name, spent in spent_ms.items():
        sys.stdout.write(f"{name:40}{min(spent):8.3f}{statistics.median(spent):8.3f} ms\n")


if __name__ == "__main__":
    main()
