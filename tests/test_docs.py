"""What the documentation says is so."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_app import commands, sources
from edge_app.records import Frame

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "edge_app"
README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "tests" / "vm" / "README.md"]


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_command_reference_is_complete() -> None:
    """docs/commands.md has every command; that it is up to date, `make docs-check` says."""
    reference = (ROOT / "docs" / "commands.md").read_text("utf-8")
    assert set(re.findall(r"^## edge-app ?(.*)$", reference, re.MULTILINE)) == {*commands.TABLE}


def test_readme_links_lead_somewhere() -> None:
    """Every relative link and picture of the README and CONTRIBUTING exists."""
    for text in (README, CONTRIBUTING):
        targets = re.findall(r"\]\((?!http)([^)#]+)\)", text)
        assert targets
        assert [target for target in targets if not (ROOT / target).exists()] == []


def test_make_lists_its_targets() -> None:
    """Bare `make` names every target the README and CONTRIBUTING speak of."""
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    targets = {words[1] for words in map(str.split, listed.splitlines()) if words[0] == "make"}
    texts = README + CONTRIBUTING
    named = {target for target in re.findall(r"(?:`|^)make ([a-z-]+)", texts, re.MULTILINE)}
    assert named >= {"run", "test", "check", "vm-test"}
    assert named - targets == set()


DEVICE = """

class Sensor:
    def __init__(self):
        import threading

        self.next_one = threading.Event()

    def grey(self):
        import numpy as np

        self.next_one.wait(0.01)  # a hundred pictures a second
        return np.zeros((24, 32), np.uint8)
"""


def test_the_recipe_for_a_camera_is_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in "Add a camera in one file", given a device, is found by its name, opened, read and closed."""
    recipe = blocks(CONTRIBUTING, "python")[0]
    assert recipe.count("= ...") == 1, "the device is all that is left open"
    (tmp_path / "thermal.py").write_text(recipe.replace("= ...", "= Sensor()") + DEVICE)
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(tmp_path)])
    assert "thermal" in sources.names()
    request = sources.Request()
    source = sources.connect("thermal:1", request)
    try:
        frames = list(itertools.islice(source, 3))
    finally:
        request.stop.set()
        source.close()
        sys.modules.pop("edge_app.sources.thermal")
    assert source.name == "thermal:1"
    assert source.is_live
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.picture.rgb().shape == (24, 32, 3)
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})


def shown_tree() -> list[str]:
    """Return the paths below edge_app/ of the tree in CONTRIBUTING, folders with a slash at their end."""
    (tree,) = (block for block in blocks(CONTRIBUTING, "text") if block.startswith("edge_app/"))
    paths, room = [], ""
    for line in tree.splitlines()[1:]:
        indent, name, words = re.fullmatch(r"( +)(\S+) +(\S.*)", line).groups()  # type: ignore[union-attr]
        assert len(words.split()) >= 2, line
        room = name if len(indent) == 2 else room
        paths.append(name if len(indent) == 2 else room + name)
    return paths


def real_tree() -> list[str]:
    """Return the modules and folders of edge_app/, two levels deep."""
    top = ROOT / "edge_app"
    folders = [path.parent for path in top.glob("*/__init__.py")]
    below = [path for folder in folders for path in sorted(folder.iterdir())]
    found = [*top.glob("*.py"), *folders, *(path for path in below if path.name != "__init__.py")]
    return [
        f"{path.relative_to(top)}{'/' * path.is_dir()}"
        for path in found
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]


def test_the_tree_is_the_package() -> None:
    """CONTRIBUTING names every room and module that there is, once, and none that there is not."""
    shown = shown_tree()
    assert len(shown) == len(set(shown))
    assert set(shown) - set(real_tree()) == set(), "gone from the package"
    assert set(real_tree()) - set(shown) == set(), "missing in the tree"


FILE = re.compile(r"[` (]((?:tests|tools|docs|systemd|edge_app|pictures|sources|train)/[\w/.-]*\.\w+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_documents_name_exist(document: Path) -> None:
    """Every file of this repository that a document names in its text or in a command is there."""
    named = set(FILE.findall(document.read_text("utf-8")))
    to_be_written = {"edge_app/sources/thermal.py"}
    missing = [name for name in named - to_be_written if not any((top / name).exists() for top in (ROOT, PACKAGE))]
    assert missing == []


def test_files_are_found_in_text_and_commands() -> None:
    """The search above sees names between backticks, in links and in commands."""
    assert FILE.findall("see `docs/x.schema.json`, [y](tests/y.py)\npython tools/z.py") == [
        "docs/x.schema.json",
        "tests/y.py",
        "tools/z.py",
    ]


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


def edge_app_names() -> dict[str, set[str]]:
    """Return the modules of edge_app that the notebook imports from or reaches into, and what it wants of each."""
    wanted: dict[str, set[str]] = {}
    modules: dict[str, str] = {}
    nodes = [node for cell in notebook_cells() for node in ast.walk(ast.parse("".join(cell["source"])))]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "edge_app":
            for alias in node.names:
                wanted.setdefault(str(node.module), set()).add(alias.name)
                modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and is_module(modules, node.value.id):
            wanted.setdefault(modules[node.value.id], set()).add(node.attr)
    return wanted


def is_module(modules: dict[str, str], name: str) -> bool:
    """Say whether a name of the notebook stands for a module."""
    if name not in modules:
        return False
    path = ROOT / modules[name].replace(".", "/")
    return path.with_suffix(".py").exists() or path.is_dir()


@pytest.mark.parametrize("module", sorted(edge_app_names()))
def test_the_notebook_uses_what_exists(module: str) -> None:
    """Every name that the lesson imports from edge_app, and every function it calls of a module, is there."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("edge_app"):
            raise
        pytest.skip(f"{error.name} is not installed")
    for name in edge_app_names()[module]:
        assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"
