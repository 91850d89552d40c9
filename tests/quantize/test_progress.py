import io

import pytest
from rich.console import Console

from edge_fer_quantize.progress import track


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_is_for_terminals(terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=80)
    assert list(track(["a", "b"], "pictures", console)) == ["a", "b"]
    assert ("pictures" in shown.getvalue(), "100%" in shown.getvalue()) == (terminal, terminal)
    if not terminal:
        assert not shown.getvalue()
