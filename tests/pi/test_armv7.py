"""What a 32-bit board is given: the dependencies that its markers choose, and what PyPI has of them."""

import importlib.metadata

import pytest
from packaging.requirements import Requirement

RUNTIME, NUMPY = {"ai-edge-litert", "tflite-runtime"}, {"numpy"}


def chosen(machine: str, python: str) -> list[Requirement]:
    """What pip would install with the daemon there."""
    surroundings = {"extra": "", "platform_machine": machine, "python_version": python}
    needs = map(Requirement, importlib.metadata.requires("edge-fer") or [])
    return [need for need in needs if need.marker is None or need.marker.evaluate(surroundings)]


@pytest.mark.parametrize("machine", ["armv7l", "armv6l"])
@pytest.mark.parametrize("python", ["3.10", "3.11"])
def test_a_32_bit_board_gets_tflite_runtime_and_the_numpy_that_it_was_built_with(machine: str, python: str) -> None:
    needs = chosen(machine, python)
    assert {need.name for need in needs} & RUNTIME == {"tflite-runtime"}
    numpy = [need.specifier for need in needs if need.name in NUMPY]
    assert all("1.26.4" in specifier for specifier in numpy)
    assert not all("2.0.0" in specifier for specifier in numpy)
    assert all("2.14.0" in need.specifier for need in needs if need.name == "tflite-runtime")


@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_a_64_bit_machine_gets_litert_and_any_numpy(machine: str) -> None:
    needs = chosen(machine, "3.11")
    assert {need.name for need in needs} & RUNTIME == {"ai-edge-litert"}
    assert all("2.4.0" in need.specifier for need in needs if need.name in NUMPY)
