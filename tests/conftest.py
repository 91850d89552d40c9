"""What several tests share."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def data() -> Path:
    """The pictures, clips and detector that are never part of the repository."""
    if not DATA.is_dir():
        pytest.skip("the picture data in ../shared/data is not here")
    return DATA
