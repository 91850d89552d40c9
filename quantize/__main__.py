"""`python -m quantize`, installed as `edge-fer-quantize`."""

import argparse
import logging
import os
import re
import sys
from collections.abc import Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from edge_fer import arguments
from edge_fer.errors import DataError, DetectorError, EdgeFerError

if TYPE_CHECKING:
    from .ptq import Order
    from .splits import Splits

log = logging.getLogger(__name__)

EPILOG = """\
further commands:
  compare MODEL --data D --out DIR   float Keras, float TFLite and int8 TFLite side by side
  fit-crop NAME.tflite --data D …    fit how a further detector's boxes become crops, into the card
  card NAME.tflite                   time the network on this host, note counted instructions, write MODEL_CARD.md
  detector RUN/detector.keras --data D --out DIR   the face detector, its threshold found on held-out scenes
  detector-card NAME.tflite          note how it compares and counted instructions, write its MODEL_CARD.md
  table --data D [--votes V]         all shipped models: accuracy, size, time, with the commands
  robustness MODEL… --data D …       faces in scenes, small, blurred, dark, turned: found, cropped and judged

each has its own --help. Exit codes: 0 done, 1 refused for the reason given, 2 wrong usage.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("absl").setLevel(logging.WARNING)  # TensorFlow says there where it puts temporary files
    os.environ["KERAS_BACKEND"] = "tensorflow"  # the converter's, whatever the trainer was told to use
    words = list(sys.argv[1:] if argv is None else argv)
    commands = {
        "compare": _compare,
        "fit-crop": _fit_crop,
        "card": _card,
        "robustness": _robustness,
        "table": _table,
        "detector": _detector,
        "detector-card": _detector_card,
    }
    try:
        if words and words[0] in commands:
            return commands[words[0]](words[1:])
        return _quantize(words)
    except EdgeFerError as error:
        print(f"edge-fer-quantize: {error}", file=sys.stderr)  # noqa: T201  the person at the terminal
        return error.exit_code


def _quantize(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize",
        description="Turn a Keras model into a full-integer int8 TFLite network with its card.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_model_and_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="receives NAME.tflite, NAME.json, …")
    args = parser.parse_args(words)
    from edge_fer.evaluate import table  # noqa: PLC0415  --help needs none of it

    from .ptq import check_folder, quantize, write  # noqa: PLC0415

    check_folder(args.out)
    quantized = quantize(_order(args), _today())
    card = write(quantized, args.out)
    _fit_installed_detectors(args.out / f"{card.name}.tflite", quantized.splits)
    print(table(card.scores["validation"]))  # noqa: T201
    print(f"{args.out / card.name}.tflite: {card.size_bytes:,} bytes, temperature {card.temperature:.3f}")  # noqa: T201
    return 0


def _compare(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize compare",
        description="Quantize, and judge the validation pictures by float Keras, float TFLite and int8 TFLite.",
    )
    _add_model_and_data(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="receives compare.json, compare.png")
    args = parser.parse_args(words)
    from .compare import compare  # noqa: PLC0415

    print(compare(_order(args), args.out, _today()))  # noqa: T201
    return 0


def _fit_crop(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize fit-crop",
        description="Fit how a detector's boxes become crops framed like the training pictures, into a model's card.",
    )
    parser.add_argument("model", type=Path, help="the quantized network, NAME.tflite, with its card beside it")
    _add_data(parser, with_run=True)
    parser.add_argument("--detector", choices=["edge", "yunet", "haar"], required=True)
    parser.add_argument("--detector-model", metavar="FILE", help="the detector's file, if not the installed one")
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="the trainer's run, which says what it set apart for validation"
    )
    _add_exclude(parser)
    args = parser.parse_args(words)
    from edge_fer.config import DetectorConfig  # noqa: PLC0415
    from edge_fer.detect import open_detector  # noqa: PLC0415

    from .fitcrop import fit_crop  # noqa: PLC0415
    from .splits import find_splits  # noqa: PLC0415

    splits = find_splits(args.data, args.run, args.exclude)
    fit_crop(args.model, splits, open_detector(DetectorConfig(kind=args.detector, model=args.detector_model)))
    return 0


def _detector(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize detector",
        description="Turn a trained face detector into a full-integer int8 TFLite network with its card.",
    )
    parser.add_argument("model", type=Path, help="the trainer's RUN/detector.keras")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="scenes.zip, scenes.csv and faces.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="receives NAME.tflite and NAME.json")
    parser.add_argument("--name", default="edge", help="stem of both files (%(default)s)")
    parser.add_argument("--data-note", metavar="TEXT", help="what the data are and on which terms, for the card")
    parser.add_argument("--yunet", type=Path, metavar="ONNX", help="YuNet's file: no more false boxes than it has")
    args = parser.parse_args(words)
    from .detector import DetectorOrder, quantize_detector, yunet_yardsticks  # noqa: PLC0415  --help needs none of it

    order = DetectorOrder(args.model, args.data, name=args.name, data_note=args.data_note)
    yardsticks = yunet_yardsticks(args.yunet) if args.yunet else None
    card = quantize_detector(order, args.out, _today(), yardsticks)
    for pictures, figures in card.measured.items():
        print(f"{pictures}: {figures}")  # noqa: T201
    print(f"{args.out / card.name}.tflite: {card.size_bytes:,} bytes")  # noqa: T201
    return 0


def _detector_card(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize detector-card",
        description="Note what was measured of a detector, and write its card and MODEL_CARD.md anew.",
    )
    parser.add_argument("model", type=Path, help="the quantized detector, NAME.tflite, with its card beside it")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="scenes.zip, scenes.csv and faces.csv: search the held-out scenes anew"
    )
    parser.add_argument("--comparison", type=Path, metavar="FILE", help="what tests/bench/detectors.py --json wrote")
    parser.add_argument(
        "--instructions", type=Path, metavar="FILE", help="what tests/pi/table.py --parts detector --json wrote"
    )
    args = parser.parse_args(words)
    from edge_fer.detect.edge_card import load_edge_files  # noqa: PLC0415  --help needs none of it

    from .detectorcard import note, write_detector_card  # noqa: PLC0415

    card, _ = load_edge_files(args.model)
    if args.data:
        from .detector import measure_held_out  # noqa: PLC0415

        card = card.model_copy(update={"measured": measure_held_out(args.model, args.data)})
    write_detector_card(note(card, args.comparison, args.instructions), args.model.parent)
    return 0


def _card(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize card",
        description="Time a network on this host, note counted instructions, and write card and MODEL_CARD.md anew.",
    )
    parser.add_argument("model", type=Path, help="the quantized network, NAME.tflite, with its card beside it")
    parser.add_argument(
        "--instructions", type=Path, metavar="FILE", help="what tests/pi/table.py --parts network --json wrote"
    )
    parser.add_argument("--votes", type=Path, metavar="FILE", help="FER+ votes (CSV): fit a map to its eight emotions")
    parser.add_argument("--data", type=Path, metavar="FILE", help="the training pictures for that")
    _add_exclude(parser)
    args = parser.parse_args(words)
    if bool(args.votes) != bool(args.data):
        parser.error("--votes and --data belong together")
    from edge_fer.card import load_model_files  # noqa: PLC0415
    from edge_fer.labelled import find_labelled, readable  # noqa: PLC0415

    from .latency import measure_latency, read_instructions  # noqa: PLC0415
    from .ptq import write_card  # noqa: PLC0415

    card, content = load_model_files(args.model)
    changes: dict[str, object] = {"latency": measure_latency(content, card)}
    if args.instructions:
        changes["instructions"] = read_instructions(args.instructions, card.name)
    if args.votes:
        from .splits import without  # noqa: PLC0415
        from .votes import fit_votes_head  # noqa: PLC0415

        train = readable(without(find_labelled(args.data, "train"), args.exclude), args.data)
        changes["votes_head"] = fit_votes_head(content, card, train, args.votes)
    write_card(card.model_copy(update=changes), args.model.parent)
    return 0


def _robustness(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize robustness",
        description="Put validation pictures into scenes and judge them as the daemon does: detector, crop, network.",
    )
    parser.add_argument("models", nargs="+", metavar="MODEL", help="shipped models' names or .tflite files")
    _add_data(parser)
    parser.add_argument(
        "--scenes",
        type=Path,
        required=True,
        metavar="FOLDER|ZIP",
        help="pictures without faces; a table .csv beside it with the columns image, faces says which have 0",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="receives robustness.json and .png")
    parser.add_argument(
        "--pictures", type=arguments.count, default=150, metavar="N", help="faces per condition (%(default)s)"
    )
    parser.add_argument("--seed", type=arguments.natural, default=0, help="of pictures, scenes and noise (%(default)s)")
    parser.add_argument("--detector", choices=["edge", "yunet", "haar"], default="edge", help="(%(default)s)")
    parser.add_argument("--detector-model", metavar="FILE", help="the detector's file, if not the installed one")
    parser.add_argument(
        "--margins",
        nargs="+",
        type=_margin,
        default=[],
        metavar="SCALE,SHIFT",
        help="crop margins to try instead of the cards'",
    )
    args = parser.parse_args(words)
    from edge_fer.config import DetectorConfig  # noqa: PLC0415
    from edge_fer.detect import open_detector  # noqa: PLC0415

    from .robustness import run_robustness  # noqa: PLC0415

    print(  # noqa: T201
        run_robustness(
            args.models,
            args.margins,
            open_detector(DetectorConfig(kind=args.detector, model=args.detector_model)),
            data=args.data,
            scenes=args.scenes,
            out=args.out,
            count=args.pictures,
            seed=args.seed,
        )
    )
    return 0


def _table(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="edge-fer-quantize table",
        description="Judge models on the validation split, and print accuracy, size and time in Markdown.",
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="names or .tflite files (all that are shipped)")
    _add_data(parser)
    parser.add_argument("--votes", type=Path, metavar="FILE", help="FER+ votes (CSV), for the majority of eight")
    args = parser.parse_args(words)
    from edge_fer.card import shipped_models  # noqa: PLC0415

    from .table import evaluate, render  # noqa: PLC0415

    rows = [evaluate(model, args.data, args.votes) for model in args.models or shipped_models()]
    print(render(rows, args.data, args.votes))  # noqa: T201
    return 0


def _fit_installed_detectors(model: Path, splits: "Splits") -> None:
    """Without a crop margin the daemon cannot use the network: fit one for every detector that is here."""
    from edge_fer.config import DetectorConfig  # noqa: PLC0415
    from edge_fer.detect import open_detector  # noqa: PLC0415

    from .fitcrop import fit_crop  # noqa: PLC0415

    for kind in ("haar", "edge", "yunet"):
        try:
            fit_crop(model, splits, open_detector(DetectorConfig.model_validate({"kind": kind})))
        except (DataError, DetectorError) as error:
            log.warning("no crop margin for %s: %s", kind, error)


def _add_model_and_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="the trained model, RUN/model.keras or .h5")
    _add_data(parser, with_run=True)
    parser.add_argument("--name", type=_name, default="emotion", help="the model's name (%(default)s)")
    parser.add_argument(
        "--seed", type=arguments.natural, default=0, help="of the choice of calibration pictures (%(default)s)"
    )
    parser.add_argument(
        "--calibration-per-class",
        type=arguments.count,
        default=70,
        metavar="N",
        help="calibration pictures per label (%(default)s)",
    )
    parser.add_argument(
        "--method",
        choices=["auto", "ptq", "qat"],
        default="auto",
        help="post-training quantization, fine-tuning with the rounding, or what loses less: fine-tuning is tried when "
        "the former loses more than 0.3 percentage points on the validation split (%(default)s)",
    )
    parser.add_argument("--epochs", type=arguments.count, default=3, metavar="N", help="of fine-tuning (%(default)s)")
    _add_exclude(parser)
    parser.add_argument(
        "--votes", type=Path, metavar="FILE", help="FER+ votes (CSV): fit a map to its eight emotions, for comparisons"
    )
    parser.add_argument("--data-note", metavar="TEXT", help="what the data are and on which terms, for the card")
    parser.add_argument("--allow-float", action="store_true", help="accept operators that fall out of the int8 block")


def _add_data(parser: argparse.ArgumentParser, with_run: bool = False) -> None:
    """Where a run is at hand, which says what it set apart, the data may be without splits."""
    also = "; without splits where the run's validation.txt names what was set apart" if with_run else ""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help=f"folder or zip of <split>/<label>/*.jpg, or CSV with the column Usage{also}",
    )


def _add_exclude(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="training pictures to leave out, one path a line")


def _order(args: argparse.Namespace) -> "Order":
    from .ptq import Order  # noqa: PLC0415  OpenCV, which --help must not load

    return Order(
        model=args.model,
        data=args.data,
        name=args.name,
        seed=args.seed,
        per_class=args.calibration_per_class,
        data_note=args.data_note,
        allow_float=args.allow_float,
        method=args.method,
        epochs=args.epochs,
        exclude=args.exclude,
        votes=args.votes,
    )


def _name(word: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", word):
        raise argparse.ArgumentTypeError(f"{word!r} must be made of letters, digits, - and _")
    return word


def _margin(word: str) -> tuple[float, float]:
    try:
        scale, shift_y = (float(part) for part in word.split(","))
    except ValueError:
        scale, shift_y = 0.0, 0.0
    if not (0.2 <= scale <= 5 and -1 <= shift_y <= 1):
        raise argparse.ArgumentTypeError(f"{word!r} must be SCALE,SHIFT such as 1.08,-0.02")
    return scale, shift_y


def _today() -> date:
    return datetime.now(timezone.utc).date()


if __name__ == "__main__":
    sys.exit(main())
