"""How far long work has come, for a person who waits at a terminal."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import rich.progress
from rich.console import Console

_Item = TypeVar("_Item")


def track(items: Sequence[_Item], what: str, console: Console | None = None) -> Iterable[_Item]:
    """Go through items under a bar with the time left; what is no terminal, such as a log, gets none.

    Args:
        items: what the work is done for, one after another.
        what: stands before the bar.
        console: where it is drawn; None: standard error.
    """
    console = console or Console(stderr=True)
    return rich.progress.track(items, what, console=console, transient=True, disable=not console.is_terminal)
