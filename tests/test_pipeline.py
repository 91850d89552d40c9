import itertools
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_fer.card import load_model_files
from edge_fer.classify import Classifier
from edge_fer.config import Config
from edge_fer.pipeline import Pipeline
from edge_fer.records import Box, Face, Frame
from edge_fer.stages import Stopwatch

TINY = Path(__file__).parent / "fixtures" / "tiny.tflite"
HEIGHT, WIDTH, SIDE = 480, 640, 40
FPS = 30


class Scene:
    """Faces before a camera, each a square of its own gray, and a detector that finds them.

    Attributes:
        faces: where each is, by its number; the gray of face n is 10 + n.
        score: of every find of the whole picture.
        near_score: of every find in a region.
        searched: times of the frames that were searched whole.
        followed: times of the frames in which regions were searched, once for each region.
        blind: whether a search of the whole picture overlooks them.
    """

    name = "haar"
    min_score = 0.75

    def __init__(self, *faces: Box) -> None:
        self.faces = dict(enumerate(faces))
        self.score = self.near_score = 0.95
        self.searched: list[float] = []
        self.followed: list[float] = []
        self.blind = False

    def frame(self, time_s: float) -> Frame:
        pixels = np.zeros((HEIGHT, WIDTH), np.uint8)
        for number, box in self.faces.items():
            x, y = round(box.x), round(box.y)
            pixels[y : y + round(box.h), x : x + round(box.w)] = 10 + number
        return Frame(pixels, time_s, round(time_s * FPS))

    def detect(self, frame: Frame) -> list[Face]:
        self.searched.append(frame.time_s)
        return [] if self.blind else [Face(box, self.score) for box in self.faces.values()]

    def detect_in(self, frame: Frame, region: Box) -> list[Face]:
        self.followed.append(frame.time_s)
        return [Face(box, self.near_score) for box in self.faces.values() if box.iou(region) > 0]


class Judge:
    """A network that takes a while, and writes down whom it saw when."""

    def __init__(self, cost_s: float = 0.0) -> None:
        self.now_s = 0.0
        self.judged: list[int] = []
        self._cost_s = cost_s

    def clock_ns(self) -> int:
        return round(self.now_s * 1e9)

    def logits(self, batch: NDArray[np.int8]) -> NDArray[np.float32]:
        self.now_s += self._cost_s
        self.judged.append(int(batch[0, 24, 24, 0]) + 128 - 10)
        return np.zeros(7, np.float32)

    def take(self) -> list[int]:
        judged, self.judged = self.judged, []
        return judged


def pipeline(scene: Scene, judge: Judge, **pace: float) -> Pipeline:
    config = Config.model_validate({"pace": pace})
    card, _ = load_model_files(TINY)
    return Pipeline(
        detector=scene,
        classifier=Classifier(judge, card, detector="haar"),
        card=card,
        config=config,
        watch=Stopwatch(judge.clock_ns),
        ids=itertools.count(1),
    )


def play(line: Pipeline, scene: Scene, frames: Sequence[int]) -> list[Any]:
    return [line.process(scene.frame(index / FPS)) for index in frames]


def indices(times_s: Sequence[float]) -> list[int]:
    return [round(time_s * FPS) for time_s in times_s]


def row_of(count: int) -> list[Box]:
    return [Box(10 + 100 * (i % 6), 10 + 100 * (i // 6), SIDE, SIDE) for i in range(count)]


def test_a_known_face_is_searched_for_three_times_a_second_and_followed_and_judged_ten_times() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    readings = play(pipeline(scene, judge), scene, range(31))
    assert indices(scene.searched) == [0, 10, 20, 30]
    assert indices(scene.followed) == [3, 6, 9, 13, 16, 19, 23, 26, 29]
    assert len(judge.judged) == 10
    assert [len(faces) for faces in readings] == [1] * 31


def test_twelve_faces_take_turns_within_the_frames_time_and_a_new_one_comes_first() -> None:
    scene, judge = Scene(*row_of(12)), Judge(cost_s=0.024)
    line = pipeline(scene, judge, target_fps=10, follow_hz=FPS, search_hz=FPS)
    turns = []
    for index in range(9):
        if index == 4:
            scene.faces[12] = Box(10, 300, SIDE, SIDE)
        judge.now_s = index
        play(line, scene, [index])
        turns.append(judge.take())
    assert turns == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11],
        [0, 1, 2, 3], [12, 4, 5, 6], [7, 8, 9, 10], [11, 0, 1, 2],
        [3, 4, 5, 6], [12, 7, 8, 9],
    ]  # fmt: skip


def test_cutting_out_and_judging_are_timed_apart_once_a_frame_in_which_they_are_done() -> None:
    scene, judge = Scene(*row_of(2)), Judge(cost_s=0.01)
    line = pipeline(scene, judge)
    play(line, scene, range(10))
    stages = line.watch.percentiles()
    assert list(stages) == ["detect", "track", "crop", "classify", "smooth"]
    assert (stages["classify"].p50_ms, stages["crop"].p99_ms) == (20.0, 0.0)
    assert [sum(line.watch.histograms()[stage].counts) for stage in ("detect", "crop", "classify")] == [10, 4, 4]


def test_one_face_is_judged_however_slow_the_network_is() -> None:
    scene, judge = Scene(*row_of(3)), Judge(cost_s=7.0)
    line = pipeline(scene, judge, search_hz=FPS, follow_hz=FPS)
    play(line, scene, range(7))
    assert judge.judged == [0, 1, 2, 0, 1, 2, 0]


def test_many_faces_are_found_again_in_turns_and_searched_whole_when_that_is_cheaper() -> None:
    scene, judge = Scene(*row_of(12)), Judge()

    def slow(frame: Frame, region: Box) -> list[Face]:
        judge.now_s += 0.02
        return Scene.detect_in(scene, frame, region)

    def slower(frame: Frame) -> list[Face]:
        judge.now_s += 1.0
        return Scene.detect(scene, frame)

    scene.detect_in, scene.detect = slow, slower  # type: ignore[method-assign]
    line = pipeline(scene, judge, target_fps=10, search_hz=0.1, follow_hz=1000)
    play(line, scene, [0])
    play(line, scene, [1, 2])
    assert indices(scene.followed) == [1, 1, 2, 2]  # half of a frame's time is two and a half of them
    seen = [one.looked_s for one in line._tracker.followed]
    assert indices(seen) == [1, 1, 2, 2, *[0] * 8]
    line._budget._costs_s["search"] = 0.1  # as if a search were cheap
    play(line, scene, [3])
    assert indices(scene.searched) == [0, 3]


def test_a_face_that_is_not_sure_is_searched_in_the_next_frames_until_it_is() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    scene.score = 0.8
    readings = play(pipeline(scene, judge), scene, range(6))
    assert indices(scene.searched) == [0, 1, 2]
    assert [len(faces) for faces in readings] == [0, 0, 1, 1, 1, 1]


def test_a_hand_taken_for_a_face_once_is_never_one() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    scene.score = 0.8
    line = pipeline(scene, judge)
    play(line, scene, [0, 1])
    scene.faces.clear()
    assert play(line, scene, range(2, 30)) == [[]] * 28
    assert indices(scene.searched)[:3] == [0, 1, 2]
    assert judge.judged == []


def test_a_missed_face_is_looked_for_in_every_frame_and_all_over_five_times_a_second() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(3))
    scene.faces.clear()
    readings = play(line, scene, range(3, 30))
    assert indices(scene.searched) == [0, 6, 12, 18, 24]
    assert indices(scene.followed) == [3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 17, 19, 20, 21, 22]
    assert [len(faces) for faces in readings] == [1] * 19 + [0] * 8  # remembered for 0.7 s, and no longer
    assert judge.judged == [0]


def test_a_weak_find_says_where_the_face_is_but_not_that_it_is_one() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(1))
    scene.near_score = 0.6
    scene.faces[0] = Box(110, 100, SIDE, SIDE)
    [*_, [reading]] = play(line, scene, range(1, 4))
    assert reading.box[0] == pytest.approx(110 / WIDTH)
    scene.blind = True  # the search does not see it either
    readings = play(line, scene, range(4, 30))
    assert [len(faces) for faces in readings] == [1] * 18 + [0] * 8
    assert judge.judged == [0]


def test_a_face_that_moves_on_is_shown_where_it_should_be_until_it_is_found_again() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    line = pipeline(scene, judge)
    shown = []
    for index in range(20):
        scene.faces[0] = Box(100 + 4 * index, 100, SIDE, SIDE)
        [[reading]] = play(line, scene, [index])
        shown.append(reading.box[0] * WIDTH - scene.faces[0].x)
    assert shown[10:] == pytest.approx([0.0] * 10, abs=2.0)  # of 12 pixels between two looks


def test_an_empty_room_is_searched_every_two_seconds_and_at_once_when_somebody_walks_in() -> None:
    scene, judge = Scene(), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(240))
    searched = indices(scene.searched)
    assert searched[:11] == [0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60]  # awake for two seconds
    assert searched[11:] == [120, 180]
    scene.faces[0] = Box(100, 100, SIDE, SIDE)
    readings = play(line, scene, range(240, 250))
    assert [len(faces) for faces in readings].index(1) <= 3


def test_somebody_who_sits_still_since_before_the_start_is_found_with_the_first_frame() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    assert [len(faces) for faces in play(pipeline(scene, judge), scene, [0])] == [1]


def test_somebody_who_appears_without_any_motion_is_found_within_two_seconds() -> None:
    scene, judge = Scene(), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(200))
    still = scene.frame(0.0).pixels
    scene.faces[0] = Box(100, 100, SIDE, SIDE)
    found = [len(line.process(Frame(still, index / FPS, index))) for index in range(200, 300)]
    assert found.index(1) == 240 - 200


def test_what_moves_for_long_without_a_face_is_searched_at_the_usual_rate() -> None:
    scene, judge = Scene(), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(150))
    for index in range(150, 300):
        frame = scene.frame(index / FPS)
        frame.pixels[:, 4 * (index - 150) :][:, :100] = 255
        line.process(frame)
    searched = [index for index in indices(scene.searched) if index >= 150]
    assert searched[0] <= 153
    assert 11 <= sum(index < 153 + 2 * FPS for index in searched) <= 12
    assert [later - earlier for earlier, later in itertools.pairwise(searched[13:])] == [10] * len(searched[14:])


def test_eased_it_looks_and_judges_half_as_often_until_the_usual_pace_is_back() -> None:
    scene, judge = Scene(Box(100, 100, SIDE, SIDE)), Judge()
    line = pipeline(scene, judge)
    line.ease(2.0)
    play(line, scene, range(61))
    assert indices(scene.searched) == [0, 20, 40, 60]
    assert len(judge.judged) == 10
    line.ease(1.0)
    play(line, scene, range(61, 91))
    assert indices(scene.searched)[4:] == [70, 80, 90]


def test_another_film_begins_wide_awake() -> None:
    scene, judge = Scene(), Judge()
    line = pipeline(scene, judge)
    play(line, scene, range(200))
    line.forget()
    scene.searched.clear()
    play(line, scene, range(12))
    assert indices(scene.searched) == [0, 6]


@pytest.mark.slow
@pytest.mark.parametrize(("faces", "frames"), [(0, 100_000), (1, 100_000), (12, 2_000)])
def test_a_hundred_thousand_frames_leave_nothing_behind(faces: int, frames: int) -> None:
    scene, judge = Scene(*row_of(faces)), Judge()
    line = pipeline(scene, judge)
    pixels = scene.frame(0.0).pixels
    tracemalloc.start()
    sizes = []
    for index in range(frames):
        line.process(Frame(pixels, index / FPS, index))
        if index % (frames // 10) == frames // 10 - 1:
            for heard in (scene.searched, scene.followed, judge.judged):
                heard.clear()
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert max(sizes[6:]) - sizes[5] < 10_000  # by then the stopwatch has its fill of laps
