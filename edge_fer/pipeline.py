"""One frame's way from pixels to readings: detect, track, classify, smooth."""

import itertools
from collections.abc import Iterator

from edge_fer.card import Card, find_model, load_model_files
from edge_fer.classify import Classifier
from edge_fer.config import Config
from edge_fer.detect import Detector, open_detector
from edge_fer.records import Frame, Reading
from edge_fer.smooth import Smoother
from edge_fer.stages import Stopwatch
from edge_fer.tflite import Network
from edge_fer.track import Tracker


class Pipeline:
    """The steps that a frame goes through, with what they remember from frame to frame.

    Args:
        detector: finds the faces.
        classifier: judges them.
        card: the classifier's card.
        config: how to track and smooth.
        watch: times the steps.
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
        self.forget()

    def forget(self) -> None:
        """Begin anew with no track, as for another film or picture."""
        tracking, smoothing = self._config.tracking, self._config.smoothing
        self._tracker = Tracker(
            min_iou=tracking.min_iou,
            sure_score=tracking.sure_score,
            min_hits=tracking.min_hits,
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

    def process(self, frame: Frame) -> list[Reading]:
        """Find, follow and judge the faces of a frame; frames come in the order of their times."""
        watch = self.watch
        watch.start()
        faces = self.detector.detect(frame)
        watch.lap("detect")
        tracks = self._tracker.update(frame, faces)
        watch.lap("track")
        emotions = self._classifier.classify(frame, tracks)
        watch.lap("classify")
        readings = self._smoother.update(frame.time_s, tracks, emotions, frame.pixels.shape)
        watch.lap("smooth")
        return readings


def open_pipeline(config: Config, ids: Iterator[int] | None = None) -> Pipeline:
    """Load detector and model as the configuration says.

    Args:
        config: what to load, and how to track and smooth.
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
