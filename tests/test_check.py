import pytest

from edge_fer.board import Strain
from edge_fer.check import describe_strain


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (Strain(None, None, None, None), ""),
        (Strain(48.3, 80.0, throttled=False, under_voltage=False), ", 48 °C, at full speed, power supply sufficient"),
        (Strain(84.6, 80.0, throttled=True, under_voltage=True), ", 85 °C, slowed down, power supply too weak"),
        (Strain(61.0, None, throttled=False, under_voltage=None), ", 61 °C, at full speed"),
    ],
)
def test_a_machine_says_what_it_knows_of_its_heat_and_supply(seen: Strain, text: str) -> None:
    assert describe_strain(seen) == text
