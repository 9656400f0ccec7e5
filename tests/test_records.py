"""What a camera is asked for by default is written once."""

from __future__ import annotations

import ast
from pathlib import Path

from edge_app.records import DEFAULT_FPS, DEFAULT_SIZE_PX
from edge_app.settings.flags.bench import Bench
from edge_app.settings.sections import CameraOptions

PACKAGE = Path(__file__).parent.parent / "edge_app"
LISTS = {"system/v4l2.py"}  # the sizes that cameras usually have


def test_the_default_size_is_written_once() -> None:
    """No other module has it as numbers."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Tuple) and ast.unparse(node) == str(DEFAULT_SIZE_PX)
    }
    assert found - LISTS == {"records.py"}


def test_nobody_else_has_a_default_rate() -> None:
    """No other module gives a name to the same number of frames a second."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Assign) and "FPS" in ast.unparse(node.targets[0])
        if ast.unparse(node.value) in (str(DEFAULT_FPS), f"{DEFAULT_FPS:g}")
    }
    assert found == {"records.py"}


def test_the_help_tells_the_defaults() -> None:
    """Where a default of `None` stands for them, the text of the flag says what they are."""
    assert f"default: {DEFAULT_FPS:g}" in (CameraOptions.model_fields["fps"].description or "")
    size = "{}x{}".format(*DEFAULT_SIZE_PX)
    assert f"default: {size}," in (Bench.model_fields["size"].description or "")
