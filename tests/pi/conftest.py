"""The emulated board that `make test-pi` installs."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import matplotlib as mpl
import pytest

HERE = Path(__file__).parent
BOARD = HERE.parents[1] / "build/pi"

OnBoard: TypeAlias = Callable[..., str]


@pytest.fixture(scope="session")
def board() -> Path:
    """Where the board's files lie."""
    if not (BOARD / "dependencies.installed").exists():
        message = f"there is no emulated board in {BOARD}; make test-pi installs it"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return BOARD


@pytest.fixture(scope="session")
def on_board(board: Path) -> OnBoard:
    """Runs Python with these arguments on a core of the board, and gives what it prints."""

    def run(core: str, *arguments: str | Path) -> str:
        command = [HERE / "run", core, *arguments]
        # As nobody's home, so that no model of the host's user is found.
        surroundings = os.environ | {"EDGE_FER_MODELS": "/nonexistent"}
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def portrait() -> Path:
    """The portrait of Grace Hopper that comes with matplotlib (public domain, US Navy)."""
    return Path(mpl.get_data_path(), "sample_data", "grace_hopper.jpg")
