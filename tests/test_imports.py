"""Which room may import which, and what `import edge_app` loads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_app import commands
from tests.results import environment
from tests.sources.test_video import write_video

ROOT = Path(__file__).parent.parent

# Arrows point down only: a room imports from the lines below its own, never from its own line or from above.
# A room is a module or a folder at the top of the package; within a folder, modules may import each other.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["commands"],
    ["doctor", "library"],
    ["service", "train"],
    ["evaluate", "bench"],
    ["pipeline", "data"],
    ["sources", "sinks"],
    ["model"],
    ["pictures"],
    ["settings"],
    ["metering", "system"],
    ["records"],
    ["errors"],
    ["secret"],
]
# Who alone may import a heavy library: a room, or one module of it.
OWNERS = {
    "cv2": {"pictures.opencv"},
    "simplejpeg": {"pictures._libjpeg"},
    "picamera2": {"sources.picamera"},
    "libcamera": {"sources.picamera"},
    "ai_edge_litert": {"model.runtime", "train"},
    "tflite_runtime": {"model.runtime"},
    "torch": {"train"},
    "safetensors": {"train"},
    "matplotlib": {"evaluate", "bench"},
    "pooch": {"data.cifar10"},
    "litert_torch": {"train"},
    "ai_edge_quantizer": {"train"},
}
# These know what sources and sinks have in common, and none of them by name.
CONTRACTS_ONLY = {"pipeline"}
# The floors inside the bigger rooms, by the same rule.
INSIDE = {
    "pictures": [
        ["preprocess", "overlay", "degrade"],
        ["decode", "oriented"],
        ["jpeg", "yuv"],
        ["array"],
        ["_libjpeg", "halving"],
        ["opencv"],
    ],
    "model": [
        ["self_test"],
        ["classifier"],
        ["trial", "tensors"],
        ["runtime", "decision", "calibration"],
        ["store"],
        ["card"],
    ],
    "service": [
        ["session", "install"],
        ["building", "health", "waiting", "doors"],
        ["checkout", "systemd", "restoring"],
        ["packages"],
        ["environments", "settings_file", "steps", "needs", "unit_files"],
        ["notify", "journal"],
    ],
    "settings": [["command_line"], ["_parser", "layers"], ["flags"], ["sections"], ["values"], ["choices"]],
    "secret": [["_known"], ["masking"], ["_parameters"]],
    "sources": [
        ["auto", "_fake_webcam"],
        ["picamera", "synthetic", "webcam", "stream", "video"],
        ["folder", "_live"],
        ["_contract", "_pace", "_fake_picamera2"],
    ],
    "sinks": [["console", "log", "window"], ["_guard"], ["_contract"]],
    "evaluate": [["report"], ["measure"]],
    "data": [["dataset"], ["cifar10"]],
    "bench": [
        ["run", "plot"],
        ["report", "single_stream"],
        ["measure", "machine", "outlets", "start", "inference"],
        ["classic"],
        ["frames"],
    ],
    "train": [
        ["make"],
        ["ship"],
        ["fit", "quantise", "weights"],
        ["recipes"],
        ["architectures", "augment", "checkpoint", "data", "optimise"],
    ],
}


def violations(package: Path) -> list[str]:
    """Return every import below `package` that a rule forbids, as "module imports what"."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        found += [f"{module} imports {name}" for name in imported(path) if not is_allowed(module, name)]
    return found


def imported(path: Path) -> Iterator[str]:
    """Yield the full names a file imports, wherever in it the import stands; string arguments do not count."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_allowed(module: str, name: str) -> bool:
    """Say whether `module` (below edge_app) may import `name`."""
    top = name.partition(".")[0]
    if top in OWNERS:
        return any(f"{module}.".startswith(f"{owner}.") for owner in OWNERS[top])
    parts = name.split(".")[1:]
    if top != "edge_app" or not parts or parts[0] not in floor_of:
        return True
    mine, theirs = module.split("."), parts
    if module in CONTRACTS_ONLY and theirs[0] in ("sources", "sinks"):
        return theirs[1:] == [] or theirs[1][0].isupper()
    return is_at_home(mine, theirs) and points_down(mine, theirs)


def is_at_home(mine: list[str], theirs: list[str]) -> bool:
    """Say whether every name with a leading underscore belongs to a room that the importing module lies in."""
    return all(mine[:depth] == theirs[:depth] for depth, part in enumerate(theirs) if part.startswith("_"))


def points_down(mine: list[str], theirs: list[str]) -> bool:
    """Say whether an import leads to a lower floor, of the house or of the room that both modules share."""
    if mine == ["__init__"] or mine[0] != theirs[0]:
        return mine == ["__init__"] or floor_of[mine[0]] < floor_of[theirs[0]]
    if mine[0] not in INSIDE or len(mine) < 2 or len(theirs) < 2:
        return True
    floors = {name: number for number, names in enumerate(INSIDE[mine[0]]) for name in names}
    return theirs[1] not in floors or mine[1] == theirs[1] or floors[mine[1]] < floors[theirs[1]]


floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def test_arrows_point_down_only() -> None:
    """No module imports from a room above its own, and heavy libraries stay where they belong."""
    assert violations(ROOT / "edge_app") == []


def test_every_room_has_a_floor() -> None:
    """A new room cannot escape the rule by not being listed."""
    inside = (ROOT / "edge_app").iterdir()
    rooms = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(floor_of)
    for room, floors in INSIDE.items():
        inside = (ROOT / "edge_app" / room).iterdir()
        modules = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
        assert modules - {"__init__"} == {module for floor in floors for module in floor}, room


def test_the_top_of_the_package_is_small() -> None:
    """At most nine modules lie beside the rooms: what a newcomer reads first."""
    assert len(list((ROOT / "edge_app").glob("*.py"))) <= 9


def test_tools_do_not_lean_on_tests() -> None:
    """What `tools/` measures can be run from an installation without the tests."""
    tools = {path.name: set(imported(path)) for path in (ROOT / "tools").glob("*.py")}
    assert any("edge_app" in name for names in tools.values() for name in names)
    for tool, names in tools.items():
        assert not [name for name in names if name.split(".")[0] == "tests"], tool


def test_only_one_room_starts_python() -> None:
    """`system.process` keeps the current folder's modules out of a child; nobody else starts an interpreter."""
    found = {path.name for path in (ROOT / "edge_app").rglob("*.py") if "executable" in attributes_of_sys(path)}
    assert found == {"process.py"}
    starts = {path.relative_to(ROOT / "edge_app").as_posix() for path in (ROOT / "edge_app").rglob("*.py")
              if {"subprocess", "multiprocessing", "os.system", "os.popen"} & set(imported(path))}  # fmt: skip
    assert starts == {
        "system/process.py",
        "system/board.py",
        "bench/start.py",
    }  # vcgencmd; whatever command it is given


def attributes_of_sys(path: Path) -> set[str]:
    """Return the names a file takes from `sys`."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)]
    own = {node.attr for node in nodes if isinstance(node.value, ast.Name) and node.value.id == "sys"}
    return own | {name.removeprefix("sys.") for name in imported(path) if name.startswith("sys.")}


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    """The rule has teeth: each kind of forbidden import, added to a copy of the package, is reported."""
    package = tmp_path / "edge_app"
    shutil.copytree(ROOT / "edge_app", package)
    added = {
        "records.py": "from edge_app import pipeline",
        "pipeline.py": "from edge_app.sources import webcam",
        "model/decision.py": "import cv2",
        "sources/webcam.py": "from edge_app.sinks.log import Log",
        "sinks/log/__init__.py": "def later():\n    import torch",
        "service/session.py": "from edge_app.sources import _live",
        "pictures/array.py": "from edge_app.pictures import preprocess",
        "sources/folder.py": "from edge_app.sources.synthetic._brush import Brush",
    }
    for name, line in added.items():
        with (package / name).open("a") as file:
            file.write(f"\n{line}\n")
    found = " ".join(violations(package))
    for expected in (
        "records imports edge_app.pipeline",
        "pipeline imports edge_app.sources.webcam",
        "model.decision imports cv2",
        "sources.webcam imports edge_app.sinks.log",
        "sinks.log imports torch",
        "service.session imports edge_app.sources._live",
        "pictures.array imports edge_app.pictures.preprocess",
        "sources.folder imports edge_app.sources.synthetic._brush",
    ):
        assert expected in found


def test_importing_the_package_is_light() -> None:
    """`import edge_app` loads no cv2, picamera2, runtime or torch, and not even numpy."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import edge_app"], capture_output=True, text=True, check=True
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "edge_app" in loaded
    assert not loaded & {"cv2", "picamera2", "ai_edge_litert", "tflite_runtime", "torch", "numpy", "pydantic"}


def test_a_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    """A start is short because a video loads no camera, no JPEG decoder, no preview and no other command."""
    clip = str(write_video(tmp_path / "clip.mp4", 2))
    words = ["run", "--source", clip, "--preview", "none", "--frames", "1", "--log", "log.jsonl"]
    program = "import sys, threading; from edge_app import cli; cli.main(sys.argv[1:], threading.Event())"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(*sys.modules)", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment(tmp_path),
    )
    loaded = set(done.stdout.split())
    assert {"edge_app.sources.video", "edge_app.settings.flags.run", "cv2"} <= loaded
    idle = {"sources.webcam", "sources.picamera", "sources.synthetic", "sources.stream", "overlay", "sinks.window"}
    idle |= {
        f"settings.flags.{entry.record.partition(':')[0]}" for words, entry in commands.TABLE.items() if words != "run"
    }
    assert not loaded & {*(f"edge_app.{name}" for name in idle), "simplejpeg", "difflib", "tomllib"}
