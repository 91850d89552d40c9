from dataclasses import replace

from edge_fer.detect.doubt import MOST_LOOKS, settle
from edge_fer.records import Box, Face

SURE, DOUBTFUL = Face(Box(0, 0, 40, 40), 0.9), Face(Box(100, 0, 40, 50), 0.6)


def test_what_is_sure_is_not_looked_at_again() -> None:
    assert settle([SURE], 0.75, lambda _: [replace(SURE, score=0.95)]) == [SURE]


def test_a_doubtful_face_counts_if_it_is_sure_from_near_by() -> None:
    looked: list[Box] = []
    near = Face(Box(98, 2, 42, 48), 0.95)

    def look(region: Box) -> list[Face]:
        looked.append(region)
        return [near]

    assert settle([SURE, DOUBTFUL], 0.75, look) == [near, SURE]
    assert looked == [Box(70, -25, 100, 100)]
    assert settle([SURE, DOUBTFUL], 0.75, lambda _: []) == [SURE]
    assert settle([SURE, DOUBTFUL], 0.6, lambda _: []) == [SURE, DOUBTFUL]


def test_another_face_near_a_doubtful_one_does_not_vouch_for_it() -> None:
    beside = Face(Box(70, 0, 40, 50), 0.95)  # of their union a seventh
    assert settle([DOUBTFUL], 0.75, lambda _: [beside]) == []


def test_two_doubtful_boxes_of_one_face_are_one_face() -> None:
    shifted = Face(Box(110, 0, 40, 50), 0.55)
    near = [Face(Box(104, 0, 40, 50), 0.8)]
    assert settle([DOUBTFUL, shifted], 0.75, lambda _: near) == near


def test_a_crowd_of_doubts_costs_no_more_than_a_few_looks() -> None:
    looked: list[float] = []
    crowd = [Face(Box(60.0 * i, 0, 40, 40), 0.7 - i / 100) for i in range(MOST_LOOKS + 2)]

    def look(region: Box) -> list[Face]:
        looked.append(region.centre[0])
        return []

    assert settle(crowd, 0.75, look) == []
    assert looked == [60.0 * i + 20 for i in range(MOST_LOOKS)]
