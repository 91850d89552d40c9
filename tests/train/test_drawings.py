from typing import Any

import numpy as np
import pytest

from edge_fer_train.detector.drawings import draw_head


class Middling:
    """Draws the middle of everything: a light, upright head in the middle, with a round mouth."""

    def uniform(self, low: float, high: float, count: int | None = None) -> Any:
        return (low + high) / 2 if count is None else np.full(count, (low + high) / 2)

    def normal(self, mean: float, _: float) -> float:
        return mean

    def random(self) -> float:
        return 0.5

    def integers(self, _: int, __: int = 0) -> int:
        return 0


class Sized(Middling):
    """But of a size at a share of the way from the smallest to the largest, which is drawn first."""

    def __init__(self, share: float) -> None:
        self._share = share

    def uniform(self, low: float, high: float, count: int | None = None) -> Any:
        share, self._share = self._share, 0.5
        return low + share * (high - low) if count is None else super().uniform(low, high, count)


def test_a_drawn_head_has_two_dark_spots_in_a_light_one() -> None:
    part = np.full((320, 320), 100, np.uint8)
    draw_head(part, Sized(1))
    size = 0.6 * 320
    rows, columns = np.nonzero(part != 100)
    assert (np.ptp(rows), np.ptp(columns)) == pytest.approx((2 * 0.45 * size, 2 * 0.39 * size), abs=6)
    assert (rows.mean(), columns.mean()) == pytest.approx((160, 160), abs=1)
    eyes = (160 - 0.07 * size, 160 - 0.18 * size), (160 - 0.07 * size, 160 + 0.18 * size)
    cheek, mouth = (160 + 0.1 * size, 160 - 0.26 * size), (160 + 0.25 * size, 160)
    shades = [int(part[round(row), round(column)]) for row, column in (*eyes, cheek, mouth)]
    assert shades == [45, 45, 188, 45]


def test_drawn_heads_are_of_all_sizes() -> None:
    """As many between 14 and 33 pixels as from there to six tenths of the picture."""
    heights = []
    for share in (0, 0.5, 1):
        part = np.full((128, 160), 100, np.uint8)
        draw_head(part, Sized(share))
        heights.append(int(np.ptp(np.flatnonzero((part > 140).any(axis=1)))))
    assert heights == pytest.approx([0.9 * size for size in (14, 32.8, 76.8)], abs=3)
