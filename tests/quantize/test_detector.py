import zipfile
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_fer.detect.edge import Edge
from edge_fer.detect.scenes import load_scenes
from edge_fer.errors import ModelError
from edge_fer.records import Frame
from edge_fer_quantize.detector import THRESHOLD, DetectorOrder, quantize_detector

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty scenes of blurred noise, every other one said to hold a face."""
    root = tmp_path_factory.mktemp("scenes")
    rng = np.random.default_rng(0)
    table, faces = ["image,set,faces"], []
    with zipfile.ZipFile(root / "scenes.zip", "w") as archive:
        for number in range(20):
            noise = cv2.resize(rng.integers(0, 256, (12, 16), dtype=np.uint8), (320, 240))
            archive.writestr(f"a/{number:02}.jpg", cv2.imencode(".jpg", noise)[1].tobytes())
            table.append(f"a/{number:02}.jpg,a,{number % 2}")
            faces += [f"a/{number:02}.jpg,100,60,80,100,{','.join(['120'] * 10)},0.9"] * (number % 2)
    points = ",".join(f"{p}_{a}" for p in ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left") for a in "xy")
    (root / "scenes.csv").write_text("\n".join(table))
    (root / "faces.csv").write_text("\n".join([f"image,x,y,width,height,{points},score", *faces]))
    return root


def save_net(path: Path, *, prior: float) -> Path:
    """A small detector of random weights whose cells score around a prior, but differ."""
    import keras  # noqa: PLC0415  seconds, for these tests alone

    from edge_fer_train.detector.net import build  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    net = build((4, 4, 8, 8, 8))
    for stride in (8, 16, 32):
        kernel, bias = net.get_layer(f"faces{stride}").get_weights()
        bias[0] = prior
        bias[3:5] = 1.0  # boxes of some 22 px and more: smaller ones than 12 are dropped
        net.get_layer(f"faces{stride}").set_weights([kernel * 30, bias])
    net.save(path)
    return path


@pytest.mark.slow
def test_int8_agrees_with_float_in_every_value_and_the_threshold_silences_it(scenes: Path, tmp_path: Path) -> None:
    import keras  # noqa: PLC0415  likewise

    model = save_net(tmp_path / "detector.keras", prior=0.0)
    card = quantize_detector(DetectorOrder(model, scenes, pictures=16), tmp_path, date(2026, 1, 31))
    assert card.size_bytes == (tmp_path / "edge.tflite").stat().st_size < 20_000
    assert card.quantization["false_boxes_allowed"] == {"320": 0, "160": 0}
    assert [card.measured[f"held_out_{size}"]["false_boxes"] for size in (320, 160)] == [0, 0]
    assert not list(tmp_path.glob(".trial*"))
    edge = Edge(model=tmp_path / "edge.tflite", min_score=0.05, search_px=320)
    pixels = load_scenes(scenes, held_out=False)[1].pixels
    best = edge.detect(Frame(pixels, 0.0, 0))[0]
    net = keras.saving.load_model(model, compile=False)
    cells = [
        np.asarray(one).reshape(-1, 15) for one in net.predict(pixels[None, ..., None] / np.float32(255), verbose=0)
    ]
    raws = np.array(card.quantization["thresholds_raw"])
    shifts = np.log(THRESHOLD / (1 - THRESHOLD)) - np.log(raws / (1 - raws))
    surest = max(float(rows[:, 0].max()) + shift for rows, shift in zip(cells, shifts, strict=True))
    assert np.log(best.score / (1 - best.score)) == pytest.approx(surest, abs=0.15)


def test_a_net_that_sees_nothing_is_refused(scenes: Path, tmp_path: Path) -> None:
    model = save_net(tmp_path / "detector.keras", prior=-20.0)
    with pytest.raises(ModelError, match=r"the network sees hardly a face at stride 8: train it longer"):
        quantize_detector(DetectorOrder(model, scenes, pictures=4), tmp_path, date(2026, 1, 31))
    (tmp_path / "no.keras").write_text("no")
    with pytest.raises(ModelError, match=r"no\.keras: this is no detector that can be loaded"):
        quantize_detector(DetectorOrder(tmp_path / "no.keras", scenes), tmp_path, date(2026, 1, 31))
