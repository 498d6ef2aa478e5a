# SPDX-License-Identifier: MIT
"""What the tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def headers() -> Path:
    """The folder of the installed public headers."""
    return Path(os.environ["PARACLOCK_HEADERS"])


@pytest.fixture(scope="session")
def native() -> Path:
    """The folder of the bindings' C sources."""
    return Path(__file__).resolve().parent.parent / "native"
