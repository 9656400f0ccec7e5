"""What the documentation says is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_app import commands
from edge_app.settings import command_line

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def readme_commands() -> list[list[str]]:
    """Return the words of every `edge-app` command the README shows, without comments."""
    lines = [line for block in blocks(README, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("edge-app ")]


@pytest.mark.parametrize("words", readme_commands(), ids=" ".join)
def test_readme_commands_are_commands(words: list[str]) -> None:
    """Every command in the README is accepted as it stands: command, flags and values."""
    command_line.settle(command_line.parse(words, commands.TABLE))


def test_readme_shows_a_dozen_commands() -> None:
    """The search above finds what it is to check."""
    assert len(readme_commands()) >= 10


def test_the_command_reference_is_complete() -> None:
    """docs/commands.md has every command; that it is up to date, `make docs-check` says."""
    reference = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert set(re.findall(r"^## edge-app ?(.*)$", reference, re.MULTILINE)) == {*commands.TABLE}


def test_readme_links_lead_somewhere() -> None:
    """Every relative link and picture of the README and CONTRIBUTING exists."""
    for text in (README, (ROOT / "CONTRIBUTING.md").read_text("utf-8")):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (ROOT / target).exists(), target


def test_make_lists_its_targets() -> None:
    """Bare `make` names every target the README and CONTRIBUTING speak of."""
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "check", "notebook", "endurance-test", "vm-test"):
        assert f"make {target} " in listed


def test_the_recipe_for_a_camera_is_a_source(tmp_path: Path) -> None:
    """The file in "Add a camera in one file" compiles, imports what exists, and defines what a source must."""
    recipe = blocks((ROOT / "CONTRIBUTING.md").read_text("utf-8"), "python")[0]
    defined = {node.name for node in ast.parse(recipe).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert "connect" in defined
    (tmp_path / "thermal.py").write_text(recipe)
    subprocess.run([sys.executable, "-c", "import thermal"], cwd=tmp_path, check=True)


def notebook_cells() -> list[dict[str, Any]]:
    """Return the code cells of the lesson."""
    cells: list[dict[str, Any]] = json.loads((ROOT / "docs" / "cnn_cifar10.ipynb").read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_the_notebook_shows_no_pictures_of_the_data_set() -> None:
    """Cells that draw CIFAR-10's pictures are marked, and committed without outputs."""
    marked = [cell for cell in notebook_cells() if "pictures" in cell["metadata"].get("tags", [])]
    assert len(marked) >= 2
    assert all(cell["outputs"] == [] for cell in marked)
    for cell in notebook_cells():
        if ".imshow(" in "".join(cell["source"]) and "picture" in "".join(cell["source"]):
            assert cell in marked


def test_the_notebook_compiles() -> None:
    """Every cell is Python, and imports only what exists."""
    for cell in notebook_cells():
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("edge_app"):
                path = ROOT / (node.module or "").replace(".", "/")
                assert path.with_suffix(".py").exists() or path.is_dir(), node.module
