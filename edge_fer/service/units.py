"""The units by their names: the one service, or an instance of the template."""

import re
from dataclasses import dataclass
from typing import Final

from edge_fer.service.host import ServiceError

INSTANCE: Final = re.compile(r"(?!models$)[A-Za-z0-9_]{1,64}")
"""A name that means nothing else to systemd or the file system; in /var/lib/edge-fer/models lie the fetched files."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service that systemd can start; `instance` is None for the one without a name of its own."""

    instance: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would mean something else to systemd, or to the file system."""
        if self.instance is not None and not INSTANCE.fullmatch(self.instance):
            raise ServiceError(
                f"'{self.instance}' cannot name an instance; give letters, digits and _, such as kitchen"
            )

    @property
    def name(self) -> str:
        """As `systemctl` takes it."""
        return "edge-fer.service" if self.instance is None else f"edge-fer@{self.instance}.service"

    @property
    def config(self) -> str:
        """Its configuration's file."""
        return f"/etc/edge-fer/{self.instance or 'edge-fer'}.yaml"


def unit_called(name: str) -> Unit | None:
    """The unit of a name as systemd writes it; None if it is none of ours."""
    if name == "edge-fer.service":
        return Unit()
    instance = name.removeprefix("edge-fer@").removesuffix(".service")
    return Unit(instance) if name == f"edge-fer@{instance}.service" and INSTANCE.fullmatch(instance) else None
