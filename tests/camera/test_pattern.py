"""The test pattern."""

import numpy as np

from edge_fer.camera.pattern import Pattern


def test_it_is_the_same_every_time_and_moves() -> None:
    one, other = Pattern(width=64, height=48, fps=10), Pattern(width=64, height=48, fps=10)
    first, second = one.read(), one.read()
    assert first.pixels.shape == (48, 64)
    assert first.pixels.dtype == np.uint8
    assert first.pixels.flags.c_contiguous
    assert np.array_equal(first.pixels, other.read().pixels)
    assert np.array_equal(second.pixels[:, :60], first.pixels[:, 4:])
    assert not np.array_equal(second.pixels, first.pixels)
    assert sorted(set(first.pixels[0].tolist())) == [0, 36, 72, 108, 144, 180, 216, 252]


def test_its_time_line_is_its_rate() -> None:
    pattern = Pattern(width=64, height=48, fps=10)
    assert [pattern.read().position_s for _ in range(3)] == [0, 0.1, 0.2]
    assert pattern.details == "64x48 10 fps"


def test_its_colour_is_gray() -> None:
    picture = Pattern(width=64, height=48).read()
    assert picture.colour is not None
    bgr = picture.colour()
    assert all(np.array_equal(bgr[..., channel], picture.pixels) for channel in range(3))
