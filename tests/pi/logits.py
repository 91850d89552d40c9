"""Runs a network on pictures; on the emulated board and on the host.

python logits.py MODEL.tflite PICTURES.npy CODES.npy: takes uint8 (n, height, width), repeated until they fill the
network's input, and writes all int8 codes that it gives, (n, codes).
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_fer.preprocess import to_model_input
from edge_fer.tflite import open_interpreter


def main(model: Path, pictures: Path, codes: Path) -> None:
    interpreter = open_interpreter(model.read_bytes())
    [takes], gives = interpreter.get_input_details(), interpreter.get_output_details()
    found: list[NDArray[np.int8]] = []
    for picture in np.load(pictures):
        interpreter.set_tensor(takes["index"], to_model_input(np.resize(picture, takes["shape"][1:3])))
        interpreter.invoke()
        found.append(np.concatenate([interpreter.get_tensor(one["index"]).ravel() for one in gives]))
    np.save(codes, np.stack(found))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
