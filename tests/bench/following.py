"""How well faces are followed when the whole picture is searched now and then only, against a search of every frame.

    python tests/bench/following.py CLIP… [--yunet FILE]

Truth is what YuNet finds when it searches every frame. Recall is the share of those boxes that a published one covers
(intersection over union of 0.5 or more), "wrong" the share of published boxes that cover none.
"""

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_fer.camera.source import EndOfStream
from edge_fer.camera.video import VideoFile
from edge_fer.card import find_model, load_model_files
from edge_fer.classify import Classifier
from edge_fer.config import Config, DetectorConfig, PaceConfig
from edge_fer.detect import Detector, open_detector
from edge_fer.pipeline import Pipeline
from edge_fer.predict import THOROUGH
from edge_fer.records import Box, Emotion, Face, Frame, Track
from edge_fer.stages import Stopwatch

SAME = 0.5


class Counting:
    """A detector whose calls are counted."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.min_score = detector.name, detector.min_score
        self.counts: Counter[str] = Counter()
        self._detector = detector

    def detect(self, frame: Frame) -> list[Face]:
        self.counts["search"] += 1
        return self._detector.detect(frame)

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        self.counts["follow"] += 1
        return self._detector.detect_in(frame, region)


class Judge(Classifier):
    """Counts the faces that it would judge."""

    judged = 0

    def classify(
        self, frame: Frame, tracks: Iterable[Track], lap: Callable[[str], object] = lambda _stage: None
    ) -> list[Emotion]:
        emotions = [Emotion(track.id, (1 / 7,) * 7) for track in tracks]
        self.judged += len(emotions)
        return emotions


@dataclass
class Score:
    """Sums over frames."""

    frames: int = 0
    true: int = 0
    found: int = 0
    shown: int = 0
    wrong: int = 0
    iou: float = 0.0
    searches: int = 0
    follows: int = 0
    judged: int = 0

    def __str__(self) -> str:
        per_frame = "  ".join(f"{count / self.frames:8.3f}" for count in (self.searches, self.follows, self.judged))
        wrong = self.wrong / max(self.shown, 1)
        return f"{self.found / self.true:8.4f}  {self.iou / self.true:8.4f}  {wrong:8.4f}  {per_frame}"


def frames_of(clip: Path) -> Iterator[Frame]:
    film = VideoFile(clip)
    for index in itertools.count():
        try:
            picture = film.read()
        except EndOfStream:
            return
        yield Frame(picture.pixels, picture.position_s or 0.0, index)


def play(clips: Sequence[Path], detector: Detector, pace: PaceConfig) -> Score:
    """Runs clips through the pipeline at a pace."""
    config = Config(pace=pace)
    card, _ = load_model_files(find_model(config.model))
    score = Score()
    for clip in clips:
        counting = Counting(detector)
        judge = Judge(None, card, detector=detector.name)  # type: ignore[arg-type]
        pipeline = Pipeline(
            detector=counting,
            classifier=judge,
            card=card,
            config=config,
            watch=Stopwatch(lambda: 0),  # on a busy machine the frame's time would be up before all is done
            ids=itertools.count(1),
        )
        for frame in frames_of(clip):
            height, width = frame.pixels.shape
            shown = [Box(*reading.box) for reading in pipeline.process(frame)]
            true = [scaled(face.box, width, height) for face in detector.detect(frame)]
            overlaps = [max((box.iou(other) for other in shown), default=0.0) for box in true]
            score.frames += 1
            score.true += len(true)
            score.found += sum(overlap >= SAME for overlap in overlaps)
            score.iou += sum(overlaps)
            score.shown += len(shown)
            score.wrong += sum(all(box.iou(other) < SAME for other in true) for box in shown)
        score.searches += counting.counts["search"]
        score.follows += counting.counts["follow"]
        score.judged += judge.judged
    return score


def scaled(box: Box, width: int, height: int) -> Box:
    """In fractions of the frame, cut off at its border, as readings have it."""
    left, right = (min(max(x / width, 0.0), 1.0) for x in (box.x, box.x + box.w))
    top, bottom = (min(max(y / height, 0.0), 1.0) for y in (box.y, box.y + box.h))
    return Box(left, top, right - left, bottom - top)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description="recall of search and following, against a search of every frame")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--yunet", metavar="FILE", help="YuNet's file, if not the installed one")
    for name, default in PaceConfig():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=default)
    options = vars(parser.parse_args())
    detector = open_detector(DetectorConfig(kind="yunet", model=options["yunet"]))
    pace = PaceConfig(**{name: options[name] for name in PaceConfig.model_fields})
    columns = "".join(f"  {name:>8}" for name in ("recall", "mean IoU", "wrong", "searches", "follows", "judged"))
    say(f"{'':24}{columns}  per frame")
    kinds = {clip.suffix for clip in options["clips"]}
    for kind, (name, rates) in itertools.product(sorted(kinds), (("every frame", THOROUGH), ("as configured", pace))):
        clips = [clip for clip in options["clips"] if clip.suffix == kind]
        say(f"{kind} {name:19}  {play(clips, detector, rates)}")


if __name__ == "__main__":
    main()
