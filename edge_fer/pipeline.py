"""One frame's way from pixels to readings: detect, track, classify, smooth."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from edge_fer.budget import Budget
from edge_fer.cadence import Cadence
from edge_fer.card import Card, find_model, load_model_files
from edge_fer.classify import Classifier
from edge_fer.config import Config
from edge_fer.detect import Detector, open_detector
from edge_fer.follow import region_around, without_repeats
from edge_fer.motion import Motion
from edge_fer.records import Face, Frame, Reading
from edge_fer.smooth import Smoother
from edge_fer.stages import Stopwatch
from edge_fer.tflite import Network
from edge_fer.track import Followed, Tracker

FOLLOWING_SHARE: Final = 0.5
"""Share of a frame's time in which known faces may be found again; the rest is for judging them."""


class Pipeline:
    """The steps that a frame goes through, with what they remember from frame to frame.

    Args:
        detector: finds the faces.
        classifier: judges them.
        card: the classifier's card.
        config: how often to look, how to track and smooth.
        watch: times the steps; its clock also tells what is left of a frame's time.
        ids: where the tracks' ids come from.
    """

    def __init__(
        self,
        *,
        detector: Detector,
        classifier: Classifier,
        card: Card,
        config: Config,
        watch: Stopwatch,
        ids: Iterator[int],
    ) -> None:
        self.card = card
        self.detector = detector
        self.watch = watch
        self._classifier = classifier
        self._config = config
        self._ids = ids
        self._cadence = Cadence(config.pace)
        self._motion = Motion()
        self._budget = Budget(config.pace.target_fps, lambda: self.watch.clock_ns() / 1e9)
        self.forget()

    def forget(self) -> None:
        """Begin anew with no track, as for another film or picture."""
        self._cadence.forget()
        self._motion.forget()
        tracking, smoothing = self._config.tracking, self._config.smoothing
        self._tracker = Tracker(
            min_iou=tracking.min_iou,
            sure_score=tracking.sure_score,
            min_hits=tracking.min_hits,
            min_score=self.detector.min_score,
            memory_s=tracking.memory_s,
            ids=self._ids,
        )
        self._smoother = Smoother(
            self.card.labels,
            time_constant_s=smoothing.time_constant_s,
            enter_confidence=smoothing.enter_confidence,
            leave_confidence=smoothing.leave_confidence,
            dwell_s=smoothing.dwell_s,
        )

    def ease(self, factor: float) -> None:
        """Look less often, as on a board that is too hot.

        Args:
            factor: every pause between two searches or judgements is so many times as long; 1 is the usual pace.
        """
        self._cadence.ease(factor)

    def process(self, frame: Frame) -> list[Reading]:
        """Find, follow and judge the faces of a frame; frames come in the order of their times."""
        watch = self.watch
        watch.start()
        self._budget.begin()
        self._cadence.begin(frame.time_s)
        faces, looked = self._look(frame)
        watch.lap("detect")
        tracks = self._tracker.update(frame, faces, looked)
        fresh = (one.id for one in self._tracker.followed if one.found_s == frame.time_s)
        urgent = self._cadence.to_judge(tracks, fresh)
        watch.lap("track")
        emotions = self._classifier.classify(frame, self._budget.affordable("judge", urgent), watch.lap)
        self._cadence.judged(tracks, [emotion.track for emotion in emotions])
        readings = self._smoother.update(frame.time_s, tracks, emotions, frame.pixels.shape)
        watch.lap("smooth")
        return readings

    def _look(self, frame: Frame) -> tuple[Sequence[Face], Sequence[Followed] | None]:
        """Search the whole frame, or the surroundings of known faces, or nothing, as it is due.

        Returns:
            what was found, and which known faces were looked for; None if the whole frame was searched.
        """
        followed, budget = self._tracker.followed, self._budget
        due = self._cadence.search_due(
            followed, lambda: self._motion.seen(frame.pixels, frame.time_s), cost_s=budget.cost_s("search")
        )
        to_follow = [] if due else self._cadence.to_follow(followed)
        if due or len(to_follow) * budget.cost_s("follow") > budget.cost_s("search"):
            self._cadence.searched()
            [faces] = [self.detector.detect(whole) for whole in budget.affordable("search", [frame])]
            return faces, None
        found, looked = [], []
        for one in budget.affordable("follow", to_follow, share=FOLLOWING_SHARE):
            found += self.detector.detect_in(frame, region_around(one.expected(frame.time_s)))
            looked.append(one)
        return without_repeats(found), looked


def open_pipeline(config: Config, ids: Iterator[int] | None = None) -> Pipeline:
    """Load detector and model as the configuration says.

    Args:
        config: what to load, how often to look, and how to track and smooth.
        ids: where the tracks' ids come from, if not from 1 on.

    Raises:
        ModelError: the model or its runtime cannot be used.
        DetectorError: the detector cannot be had.
    """
    detector = open_detector(config.detector, threads=config.threads)
    card, content = load_model_files(find_model(config.model))
    network = Network(content, card, threads=config.threads)
    classifier = Classifier(network, card, detector=detector.name)
    return Pipeline(
        detector=detector,
        classifier=classifier,
        card=card,
        config=config,
        watch=Stopwatch(),
        ids=ids or itertools.count(1),
    )
