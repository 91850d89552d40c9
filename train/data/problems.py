"""What is wrong with a source's pictures and lines: listed, counted, and too much of it ends the reading."""

from collections.abc import Iterator

from edge_fer.errors import DataError


class Problems:
    """Collects what a reader had to leave out.

    Args:
        limit: the largest share of all entries, 0 to 1, that may be left out.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._found: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note that the entry at `where` (a path, or `file:line`) was left out, and why."""
        self._found.append(f"{where}: {what}")

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def check(self, source: str, entries: int) -> None:
        """End the reading when more than the limit of a source's entries was left out.

        Raises:
            DataError: lists the first twenty problems.
        """
        if len(self._found) > self.limit * entries:
            shown = "\n".join(f"  {line}" for line in self._found[:20])
            more = f"\n  and {len(self._found) - 20} more" if len(self._found) > 20 else ""
            raise DataError(
                f"{source}: {len(self._found)} of {entries} entries cannot be used, more than the limit of "
                f"{self.limit:.1%} (--problem-limit):\n{shown}{more}"
            )
