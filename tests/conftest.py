"""What all tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """Find the real recordings, or skip: they are no part of the repository."""
    folder = Path(os.environ.get("VITALCORE_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs the real recordings: set VITALCORE_DATA to their folder")
    return folder
