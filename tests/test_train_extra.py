"""What `edge-app train` says where its packages are not installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys, threading
sys.modules[{module!r}] = None
from edge_app import cli
sys.exit(cli.main(sys.argv[1:], threading.Event()))
"""


def without(module: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run edge-app in a Python that cannot import a module."""
    command = [sys.executable, "-c", CODE.format(module=module), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("module", ["torch", "safetensors", "litert_torch", "ai_edge_quantizer"])
def test_training_without_its_packages(module: str, tmp_path: Path) -> None:
    """One line says what is missing and which extra brings it, before any training; exit 78."""
    if module != "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch, which is looked for first, is missing too")
    done = without(module, "train", "--data", str(tmp_path))
    assert done.returncode == 78
    assert done.stderr.count("\n") == 1
    assert f"training needs {module}" in done.stderr and "edge-app[train]" in done.stderr


def test_the_training_is_tested_too() -> None:
    """Where PyTorch is missing, tests/train is left out, and this says so."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: tests/train is left out; CI has it ('make check')")
