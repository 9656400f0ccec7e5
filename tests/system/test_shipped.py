"""What comes with the package is found, however the package is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_app.model import store
from tests.conftest import ROOT
from tests.results import environment

# Python without what an editable install adds to it: only the path says where edge_app is.
CODE = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
sys.path.insert(0, sys.argv[1])
import edge_app.service.install
from edge_app.model import store
from edge_app.system import shipped
print(edge_app.__file__, *store.shipped(), shipped.folder("systemd") / edge_app.service.install.UNIT, sep="\\n")
print(shipped.constraints(False), shipped.constraints(True), sep="\\n")
"""


@pytest.mark.parametrize("is_installed", [False, True], ids=["checkout", "installed"])
def test_models_and_units_are_found(is_installed: bool, tmp_path: Path) -> None:
    """They lie beside the package in a checkout, also one that was never installed, and inside an installed one."""
    package = tmp_path / "edge_app"
    shutil.copytree(ROOT / "edge_app", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("models", "systemd", "constraints.txt", "constraints-apt.txt"):
        ((package if is_installed else tmp_path) / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, *models, unit, pins, apt = done.stdout.splitlines()
    assert Path(found) == package / "__init__.py"
    assert models == store.shipped() and len(models) >= 3
    assert Path(unit).is_relative_to(tmp_path) and Path(unit).read_text().startswith("[Unit]")
    for path in map(Path, (pins, apt)):
        assert path.is_relative_to(tmp_path) and "--hash=sha256:" in path.read_text()
