"""No step may take more instructions on a board than its budget, and no budget may be too generous to notice."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.pi, pytest.mark.real]

HERE = Path(__file__).parent
SLACK = 0.90
HOW = "python tests/pi/table.py --guarded --budgets tests/pi/budgets.json"


def verdicts(found: dict[str, Any]) -> list[str]:
    """What is out of budget, and which budgets are to be tightened."""
    known = json.loads((HERE / "budgets.json").read_text())
    sentences = []
    for core, counts in found["counts"].items():
        for name, count in counts.items():
            budget = known["budgets"][core].get(name)
            if budget is None:
                sentences.append(f"{core}: {name} takes {count} instructions and has no budget: {HOW}")
            elif count > budget:
                sentences.append(f"{core}: {name} takes {count} instructions, {count / budget - 1:.1%} over its budget")
            elif count < SLACK * budget and budget - count > 40_000:
                sentences.append(f"{core}: {name} takes {count} instructions of {budget}: tighten it, {HOW}")
    if sentences and found["versions"] != known["versions"]:
        sentences.append(f"budgets are of {known['versions']}, this is {found['versions']}")
    return sentences


def test_every_step_keeps_to_its_budget(board: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, HERE / "table.py", "--guarded", "--tree", board / "edge-fer", "--json", figures], check=True
    )
    assert verdicts(json.loads(figures.read_text())) == []


def test_what_is_over_or_far_below_its_budget_is_told() -> None:
    known = json.loads((HERE / "budgets.json").read_text())
    budget = known["budgets"]["cortex-a72"]["emotion: invoke"]

    def told(count: int, name: str = "emotion: invoke") -> list[str]:
        return verdicts({"counts": {"cortex-a72": {name: count}}, "versions": known["versions"]})

    assert told(budget) == []
    assert told(round(budget * 1.02)) == [
        f"cortex-a72: emotion: invoke takes {round(budget * 1.02)} instructions, 2.0% over its budget"
    ]
    assert told(budget // 2) == [
        f"cortex-a72: emotion: invoke takes {budget // 2} instructions of {budget}: tighten it, {HOW}"
    ]
    assert told(5, "juggling") == [f"cortex-a72: juggling takes 5 instructions and has no budget: {HOW}"]
