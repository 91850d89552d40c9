from collections.abc import Callable, Sequence

import pytest

from edge_fer.publish.policy import EmotionPolicy, Every, FacesPolicy, PrimaryFace
from edge_fer.records import UNCERTAIN, Reading

FPS = 30


def frames(seconds: float) -> list[float]:
    return [index / FPS for index in range(round(seconds * FPS))]


def published(policy: EmotionPolicy, time_s: float, *readings: Reading) -> tuple[int, str | None] | None:
    """Sequence number and emotion of what is published, None if nothing is."""
    publication = policy.update(time_s, readings)
    if publication is None:
        return None
    return publication.seq, None if publication.reading is None else publication.reading.emotion


def test_every_is_due_at_once_and_then_by_its_schedule() -> None:
    due = Every(0.2)
    assert sum(due(time_s) for time_s in frames(10)) == 50
    assert Every(0.2)(1e6)


def test_every_does_not_catch_up_in_a_burst() -> None:
    due = Every(1.0)
    assert [due(time_s) for time_s in (0.0, 0.9, 1.1, 7.0, 7.1, 7.9, 8.0)] == [
        True, False, True, True, False, False, True,
    ]  # fmt: skip


def test_a_time_line_that_begins_anew_does_not_silence_anything(make_reading: Callable[..., Reading]) -> None:
    due = Every(1.0)
    assert [due(time_s) for time_s in (900.0, 900.5, 0.0, 0.5, 1.0)] == [True, False, True, False, True]
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    assert published(policy, 900.0, make_reading()) == (1, "happy")
    assert published(policy, 0.0, make_reading(emotion="sad")) == (2, "sad")
    assert published(policy, 10.0, make_reading(emotion="sad")) == (3, "sad")


def test_the_primary_face_is_the_largest(make_reading: Callable[..., Reading]) -> None:
    assert PrimaryFace().choose([make_reading(1, width=0.1), make_reading(2, width=0.2)]) == make_reading(2, width=0.2)
    assert PrimaryFace().choose([]) is None


def test_the_primary_face_stays_until_another_is_clearly_larger(make_reading: Callable[..., Reading]) -> None:
    primary = PrimaryFace(takeover=1.5)

    def chosen(*widths: float) -> int | None:
        reading = primary.choose([make_reading(track, width=width) for track, width in enumerate(widths)])
        return None if reading is None else reading.track

    assert chosen(0.20, 0.19) == 0
    assert chosen(0.20, 0.21) == 0
    assert chosen(0.20, 0.24) == 0  # 1.44 times the area
    assert chosen(0.20, 0.25) == 1  # 1.56 times
    assert chosen(0.24, 0.20) == 1
    assert chosen(0.24) == 0  # track 1 has gone
    assert chosen() is None
    assert chosen(0.20, 0.21) == 1  # nobody is primary any more: the largest


def test_emotion_goes_out_on_change_and_as_heartbeat_only(make_reading: Callable[..., Reading]) -> None:
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    sent: list[tuple[float, int, str]] = []
    for time_s in frames(30):
        emotion = "sad" if 12 <= time_s < 14 else "happy"
        publication = policy.update(time_s, [make_reading(emotion=emotion, confidence=0.6 + (time_s % 1) / 5)])
        if publication is not None and publication.reading is not None:
            sent.append((round(time_s, 2), publication.seq, publication.reading.emotion))
    assert sent == [(0, 1, "happy"), (10, 2, "happy"), (12, 3, "sad"), (14, 4, "happy"), (24, 5, "happy")]


def test_nobody_is_a_state_like_any_other(make_reading: Callable[..., Reading]) -> None:
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    assert [published(policy, time_s) for time_s in (0.0, 0.1, 9.9, 10.0)] == [(1, None), None, None, (2, None)]
    assert published(policy, 11.0, make_reading()) == (3, "happy")
    assert published(policy, 12.0) == (4, None)
    assert published(policy, 21.9) is None


def test_a_hurry_and_other_rates_hold_from_the_next_update(make_reading: Callable[..., Reading]) -> None:
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    assert published(policy, 0.0, make_reading()) == (1, "happy")
    policy.due.hurry()
    assert published(policy, 0.1, make_reading()) == (2, "happy")
    policy.due.retune(heartbeat_s=2, rate_hz=1)
    assert published(policy, 0.9, make_reading(emotion="sad")) is None
    assert published(policy, 1.1, make_reading(emotion="sad")) == (3, "sad")
    assert published(policy, 3.1, make_reading(emotion="sad")) == (4, "sad")
    faces = FacesPolicy(rate_hz=5)
    assert len(faces.update(0.0, [make_reading()])) == 1
    faces.retune(rate_hz=0.5)
    assert [len(faces.update(time_s, [make_reading()])) for time_s in (0.1, 0.2, 1.0, 2.1)] == [0, 1, 0, 0]


def test_another_face_and_uncertainty_are_changes(make_reading: Callable[..., Reading]) -> None:
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    assert published(policy, 0, make_reading(1)) == (1, "happy")
    assert published(policy, 1, make_reading(2)) == (2, "happy")
    assert published(policy, 2, make_reading(2, UNCERTAIN, confidence=1 / 7)) == (3, "uncertain")


def test_changes_keep_the_rate_too(make_reading: Callable[..., Reading]) -> None:
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    flapping = [make_reading(emotion=emotion) for emotion in ("happy", "sad", "angry")]
    sent = [published(policy, time_s, flapping[index % 3]) for index, time_s in enumerate(frames(2))]
    assert sum(publication is not None for publication in sent) <= 10
    policy = EmotionPolicy(heartbeat_s=10, rate_hz=5)
    assert published(policy, 0.00, make_reading(emotion="happy")) == (1, "happy")
    assert published(policy, 0.10, make_reading(emotion="sad")) is None
    assert published(policy, 0.25, make_reading(emotion="sad")) == (2, "sad")


@pytest.mark.parametrize("tracks", [(1,), (1, 2, 3)])
def test_each_face_keeps_the_rate(tracks: Sequence[int], make_reading: Callable[..., Reading]) -> None:
    policy = FacesPolicy(rate_hz=5)
    sent = [
        (publication.topic, publication.seq)
        for time_s in frames(2)
        for publication in policy.update(time_s, [make_reading(track) for track in tracks])
    ]
    assert sorted(sent) == [(f"faces/{track}", seq) for track in tracks for seq in range(1, 11)]


def test_a_new_face_is_published_at_once_and_a_gone_one_forgotten(make_reading: Callable[..., Reading]) -> None:
    policy = FacesPolicy(rate_hz=5)
    assert [p.topic for p in policy.update(0.00, [make_reading(1)])] == ["faces/1"]
    assert [p.topic for p in policy.update(0.05, [make_reading(1), make_reading(2)])] == ["faces/2"]
    assert policy.update(0.10, []) == []
    assert [(p.topic, p.seq) for p in policy.update(0.15, [make_reading(1)])] == [("faces/1", 1)]
