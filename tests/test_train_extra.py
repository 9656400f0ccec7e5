"""What `edge-app train` says where its packages are not installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

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


COLLECT = """
import sys, pytest
sys.modules.update(dict.fromkeys(sys.argv[1:]))
sys.exit(pytest.main(["--collect-only", "tests/train"]))
"""


@pytest.mark.parametrize("is_missing", [False, True])
def test_the_training_is_tested_where_it_can_be(is_missing: bool) -> None:
    """Where PyTorch is installed, tests/train has tests; where it is missing, they are left out without an error."""
    if not is_missing and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: tests/train is left out; CI has it ('make check')")
    command = [sys.executable, "-c", COLLECT, *(["torch"] if is_missing else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    expected = pytest.ExitCode.NO_TESTS_COLLECTED if is_missing else pytest.ExitCode.OK
    assert done.returncode == expected, done.stdout + done.stderr
    assert ("test_architectures.py" in done.stdout) != is_missing
