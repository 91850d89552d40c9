import io

from edge_fer.publish.console import ConsoleSink
from edge_fer.records import Reading


def reading(emotion: str, confidence: float) -> Reading:
    scores = {"happy": confidence, "sad": 1 - confidence}
    return Reading(0.0, 3, emotion, confidence, scores, (0.1, 0.1, 0.2, 0.2), 0.0)


def test_a_line_on_every_change_and_every_two_seconds_without_one() -> None:
    stream = io.StringIO()
    sink = ConsoleSink(stream, local_time=lambda: "12:00:00")
    sink.publish(0.0, [])
    sink.publish(0.9, [])
    sink.publish(2.1, [])
    sink.publish(3.0, [reading("uncertain", 0.55)])
    sink.publish(3.5, [reading("happy", 0.8)])
    sink.publish(4.5, [reading("happy", 0.9)])
    sink.publish(5.5, [reading("happy", 0.9)])
    assert stream.getvalue().splitlines() == [
        "12:00:00  nobody in view",
        "12:00:00  face 3  uncertain  55% ###########  perhaps happy",
        "12:00:00  face 3  happy      80% ################",
        "12:00:00  face 3  happy      90% ##################",
    ]
