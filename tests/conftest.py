"""Fixtures for several tests: where CIFAR-10 and the models are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.data import cifar10
from edge_app.records import LabelledPictures
from edge_app.secret import _known

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "fixtures"


@pytest.fixture(autouse=True)
def no_known_secrets() -> Iterator[None]:
    """Forget the passwords of a test after it: the process keeps them, and would mask them in other tests' texts."""
    yield
    _known._patterns.clear()


@pytest.fixture(scope="session")
def cifar10_folder() -> Path:
    """Find CIFAR-10 where EDGE_APP_CIFAR10 says, else beside the checkout."""
    where = Path(os.environ.get("EDGE_APP_CIFAR10") or ROOT.parent / "shared" / "cifar10")
    if not where.exists():
        pytest.skip(f"no CIFAR-10 in {where}; name its folder in EDGE_APP_CIFAR10")
    return where


@pytest.fixture(scope="session")
def test_pictures(cifar10_folder: Path) -> LabelledPictures:
    """Read the 10,000 test pictures once."""
    return cifar10.read_test(cifar10_folder)
