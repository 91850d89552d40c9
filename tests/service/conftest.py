"""A Debian that is a folder, with systemd's programs as fakes that do to it what the real ones would."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_fer.service.command import take_steps, uninstall
from edge_fer.service.host import Host, Outcome
from edge_fer.service.install import install_steps
from edge_fer.service.units import Unit

PROGRAM = Path("/opt/edge-fer/bin/edge-fer")
ONE, KITCHEN = Unit(), Unit("kitchen")


class FakeSystem:
    """Runs systemd's programs on the tree, and writes down what they were asked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        self.fails: str | None = None

    def __call__(self, command: Sequence[str]) -> Outcome:
        program, *arguments = [word for word in command if word not in (f"--root={self.root}", f"--prefix={self.root}")]
        line = " ".join([program, *(word.replace(str(self.root), "") for word in arguments)])
        if arguments[0] not in ("show", "is-enabled"):
            self.asked.append(line)
        if self.fails is not None and line.startswith(self.fails):
            return Outcome(1, "it did not work")
        return Outcome(0, self._do(program, arguments))

    def _do(self, program: str, arguments: list[str]) -> str:
        etc = self.root / "etc"
        if program == "systemd-sysusers":
            assert Path(arguments[0]).is_file()
            for name, line in (
                ("passwd", "edge-fer:x:991:991::/var/lib/edge-fer:/usr/sbin/nologin"),
                ("group", "edge-fer:x:991:"),
            ):
                (etc / name).write_text((etc / name).read_text() + line + "\n")
        elif program == "systemd-tmpfiles":
            for made in re.findall(r"^d (\S+)", Path(arguments[-1]).read_text(), re.MULTILINE):
                (self.root / made.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif program == "userdel":
            (etc / "passwd").write_text("root:x:0:0::/root:/bin/bash\n")
            (etc / "group").write_text("root:x:0:\n")
        else:
            link = etc / "systemd/system/multi-user.target.wants" / arguments[-1]
            match arguments[0]:
                case "enable":
                    link.parent.mkdir(parents=True, exist_ok=True)
                    link.symlink_to("../edge-fer.service")
                case "disable":
                    link.unlink()
                case "is-enabled":
                    return "enabled" if link.is_symlink() else "disabled"
        return ""


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\n")
    program = root / PROGRAM.relative_to("/")
    program.parent.mkdir(parents=True)
    program.touch()
    return FakeSystem(root)


@pytest.fixture
def host(system: FakeSystem) -> Host:
    return Host(system.root, PROGRAM, run=system)


def tree(root: Path) -> dict[str, str]:
    """Every file and link by its path, with what it holds."""
    return {
        f"/{path.relative_to(root)}": "link"
        if path.is_symlink()
        else path.read_text(encoding="utf-8", errors="replace")
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def put(host: Host, unit: Unit = ONE, config: Path | None = None) -> list[str]:
    """Install; the steps that were taken."""
    out = io.StringIO()
    take_steps(install_steps(host, unit, config, has_pi_camera=False), out, dry_run=False)
    return out.getvalue().replace(str(host.root), "").splitlines()


def take_away(host: Host, unit: Unit = ONE, *, purge: bool = False, dry_run: bool = False) -> list[str]:
    out = io.StringIO()
    assert uninstall(host, unit, out, purge=purge, dry_run=dry_run) == 0
    return out.getvalue().replace(str(host.root), "").splitlines()
