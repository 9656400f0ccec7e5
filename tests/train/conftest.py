"""Fixtures for the tests of training: its packages, and a small data set of drawn shapes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edge_app.data import dataset
from tests import shapes

collect_ignore_glob: list[str] = []
if importlib.util.find_spec("torch") is None:
    collect_ignore_glob.append("test_*.py")  # tests/test_train_extra.py says so as a skip


@pytest.fixture(scope="session")
def shapes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 40 training pictures of each of three shapes, 48x48, and a third as many test pictures."""
    return shapes.write(tmp_path_factory.mktemp("data") / "shapes", 40, side_px=48)


@pytest.fixture(scope="session")
def shapes_source(shapes_folder: Path) -> dataset.Source:
    """Find that data set."""
    return dataset.find(shapes_folder)
