from edge_fer.follow import region_around, without_repeats
from edge_fer.records import Box, Face


def test_the_region_is_a_square_of_twice_the_face_around_its_middle() -> None:
    assert region_around(Box(100, 50, 30, 40)) == Box(75, 30, 80, 80)


def test_a_face_that_two_regions_hold_counts_once_by_the_surer_find() -> None:
    face, again = Face(Box(0, 0, 10, 10), 0.8), Face(Box(1, 0, 10, 10), 0.9)
    neighbour = Face(Box(6, 0, 10, 10), 0.7)
    assert without_repeats([face, neighbour, again]) == [again, neighbour]
