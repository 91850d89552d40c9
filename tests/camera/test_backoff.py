"""The waits between attempts."""

from edge_fer.camera.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=1, longest_s=30, jitter=lambda: 0.0)
    assert [backoff.next_s() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_chance_shortens_a_delay_by_up_to_half() -> None:
    chances = iter([1.0, 0.5, 0.0])
    backoff = Backoff(first_s=1, longest_s=30, jitter=lambda: next(chances))
    assert [backoff.next_s() for _ in range(3)] == [0.5, 1.5, 4]


def test_reset_begins_again() -> None:
    backoff = Backoff(first_s=1, longest_s=30, jitter=lambda: 0.0)
    assert [backoff.next_s(), backoff.next_s()] == [1, 2]
    backoff.reset()
    assert backoff.next_s() == 1
