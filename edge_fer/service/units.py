"""The units by their names: the one service, or an instance of the template."""

import re
from dataclasses import dataclass

from edge_fer.service.host import ServiceError


@dataclass(frozen=True, slots=True)
class Unit:
    """A service that systemd can start; `instance` is None for the one without a name of its own."""

    instance: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would mean something else to systemd, or to the file system."""
        if self.instance is None:
            return
        if not re.fullmatch(r"[A-Za-z0-9_]{1,64}", self.instance) or self.instance == "models":
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
