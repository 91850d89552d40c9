"""The machine, or the tree of one, that the service is installed on."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, TypeAlias

from edge_fer import __version__
from edge_fer.errors import EdgeFerError

USER: Final = "edge-fer"
MARK: Final = "edge-fer service install"
"""Stands in each unit of ours, so that no other is overwritten."""

HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108 - they are avoided
"""What the sandbox keeps from the daemon."""


class ServiceError(EdgeFerError):
    """The service cannot be installed or removed as things stand."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended and what it said on both its outputs."""

    exit_code: int
    text: str


Runner: TypeAlias = Callable[[Sequence[str]], Outcome]


def run_program(command: Sequence[str]) -> Outcome:
    """Run a program to its end."""
    path = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise ServiceError(f"{command[0]} is not there; a service needs a system with systemd")
    done = subprocess.run(  # noqa: S603 - programs of the system, by name
        [path, *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Outcome(done.returncode, done.stdout.strip())


@dataclass(frozen=True, slots=True)
class Host:
    """Where files go and who runs systemd's programs.

    Attributes:
        root: `/`, or the top of a tree that will be one.
        program: the path of `edge-fer` as the host will see it.
        needs: what else must be seen for the program to run.
        run: runs a program.
    """

    root: Path
    program: Path
    needs: tuple[Path, ...] = ()
    run: Runner = run_program

    @property
    def is_live(self) -> bool:
        """Whether this is the running system, and not a tree."""
        return self.root == Path("/")

    def path(self, absolute: str) -> Path:
        """A path of the host as it is reached from here."""
        return self.root / absolute.lstrip("/")

    def demand_root(self) -> None:
        """Refuse to change a running system as anybody else."""
        if self.is_live and os.geteuid() != 0:
            raise ServiceError("this is for root to do: put sudo before it")

    def command(self, program: str, *arguments: str) -> None:
        """Run one of systemd's programs on the host.

        Raises:
            ServiceError: it failed.
        """
        options = [] if self.is_live else [f"--root={self.root}"]
        outcome = self.run([program, *options, *arguments])
        if outcome.exit_code != 0:
            line = " ".join([program, *options, *arguments])
            raise ServiceError(f"`{line}` failed: {outcome.text or outcome.exit_code}")

    def ask(self, *arguments: str) -> str:
        """What `systemctl` answers, whatever its exit code means."""
        options = [] if self.is_live else [f"--root={self.root}"]
        return self.run(["systemctl", *options, *arguments]).text

    def files(self) -> dict[Path, str]:
        """What is to lie where, without configuration and state."""
        units = {
            self.path(f"/etc/systemd/system/{name}"): self._unit(name)
            for name in ("edge-fer.service", "edge-fer@.service")
        }
        others = {
            self.path("/etc/sysusers.d/edge-fer.conf"): shipped("edge-fer.sysusers"),
            self.path("/etc/tmpfiles.d/edge-fer.conf"): shipped("edge-fer.tmpfiles"),
        }
        return others | units

    def _unit(self, name: str) -> str:
        mark = f"# Written by `{MARK}`, version {__version__}.\n"
        return mark + shipped(name).replace("/usr/bin/edge-fer", str(self.program))


def shipped(name: str) -> str:
    """A file of the folder systemd/ as it ships."""
    return resources.files("edge_fer.systemd").joinpath(name).read_text(encoding="utf-8")
