import numpy as np
import pytest

from edge_fer.motion import Motion
from edge_fer.records import GrayImage

HEIGHT, WIDTH = 480, 640


@pytest.fixture
def room() -> GrayImage:
    return (
        np.random.default_rng(1)
        .integers(0, 256, (HEIGHT // 16, WIDTH // 16))
        .astype(np.uint8)
        .repeat(16, 0)
        .repeat(16, 1)
    )


def noisy(pixels: GrayImage, seed: int, sigma: float = 6.0) -> GrayImage:
    noise = np.random.default_rng(seed).normal(0, sigma, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def test_the_noise_of_a_camera_in_a_dark_room_is_no_motion(room: GrayImage) -> None:
    motion = Motion()
    assert not any(motion.seen(noisy(room, i), i / 10) for i in range(30))


def test_a_small_head_that_walks_slowly_is_motion(room: GrayImage) -> None:
    motion = Motion()
    seen = []
    for i in range(10):
        pixels = noisy(room, i)
        pixels[200:232, 100 + 4 * i : 132 + 4 * i] = 128  # 32 pixels wide, 40 pixels a second
        seen.append(motion.seen(pixels, i / 10))
    assert seen == [False, *[True] * 9]


def test_frames_are_compared_ten_times_a_second(room: GrayImage) -> None:
    motion = Motion()
    black = np.zeros_like(room)
    frames = ((0.0, room), (0.03, black), (0.06, black), (0.1, black), (0.13, room), (0.2, room))
    assert [motion.seen(pixels, time_s) for time_s, pixels in frames] == [False, False, False, True, False, True]


def test_nothing_is_compared_with_what_is_forgotten_or_of_another_shape(room: GrayImage) -> None:
    motion = Motion()
    assert not motion.seen(room, 5.0)
    assert not motion.seen(room[:, :320], 6.0)
    motion.forget()
    assert not motion.seen(np.zeros((480, 320), np.uint8), 7.0)
    assert motion.seen(room[:, :320], 1.0)  # a new time line


@pytest.mark.parametrize("shape", [(48, 64), (1, 1), (2160, 3840), (640, 48)])
def test_frames_of_any_size(shape: tuple[int, int]) -> None:
    motion = Motion()
    assert not motion.seen(np.zeros(shape, np.uint8), 0.0)
    motion.seen(np.full(shape, 255, np.uint8), 1.0)
