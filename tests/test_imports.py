"""Which room may import which, and what `import edge_app` loads."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_app import flags
from tests.results import environment
from tests.sources.test_video import write_video

ROOT = Path(__file__).parent.parent

# Arrows point down only: a module imports from the lines below its own, never from its own or from above.
# Rooms that are folders stand with their prefix; within a folder, modules may import each other.
FLOORS = [
    ["__main__"],
    ["cli"],
    ["commands"],
    ["command_line"],
    ["session", "doctor", "install"],
    ["flags", "train"],
    ["report"],
    ["evaluate", "bench"],
    ["health"],
    ["pipeline", "config", "dataset", "notify", "self_test"],
    ["sources", "sinks"],
    ["classifier", "overlay", "preprocess", "decision", "degrade", "calibration"],
    ["pictures", "model_card", "metering"],
    ["_jpeg"],
    ["_opencv", "cifar10", "service", "journal", "board", "output"],
    ["records", "masking"],
    ["errors"],
]
# Who alone may import a heavy library, by the room's name.
OWNERS = {
    "cv2": {"_opencv"},
    "simplejpeg": {"_jpeg"},
    "picamera2": {"sources.picamera"},
    "libcamera": {"sources.picamera"},
    "ai_edge_litert": {"classifier", "train"},
    "tflite_runtime": {"classifier"},
    "torch": {"train"},
    "safetensors": {"train"},
    "matplotlib": {"report", "bench"},
    "pooch": {"cifar10"},
    "litert_torch": {"train"},
    "ai_edge_quantizer": {"train"},
}
CONTRACTS_ONLY = {"pipeline": {"sources._base", "sinks._base"}}


def violations(package: Path) -> list[str]:
    """Return every import below `package` that a rule forbids, as "module imports what"."""
    found = []
    for path in sorted(package.rglob("*.py")):
        module = ".".join(path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")
        if module != "__init__":
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
        return bool({module, module.partition(".")[0]} & OWNERS[top])
    room = name.removeprefix("edge_app.")
    if not name.startswith("edge_app.") or room.partition(".")[0] not in floor_of:
        return True
    if module in CONTRACTS_ONLY and room.startswith(("sources", "sinks")):
        return any(room.startswith(contract) for contract in CONTRACTS_ONLY[module]) or room in ("sources", "sinks")
    mine, theirs = module.partition(".")[0], room.partition(".")[0]
    return mine == theirs or floor_of[mine] < floor_of[theirs]


floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def test_arrows_point_down_only() -> None:
    """No module imports from a room above its own, and heavy libraries stay where they belong."""
    assert violations(ROOT / "edge_app") == []


def test_every_room_has_a_floor() -> None:
    """A new room cannot escape the rule by not being listed."""
    inside = (ROOT / "edge_app").iterdir()
    rooms = {path.stem for path in inside if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__"} == set(floor_of)


def test_a_forbidden_import_is_found(tmp_path: Path) -> None:
    """The rule has teeth: each kind of forbidden import, added to a copy of the package, is reported."""
    package = tmp_path / "edge_app"
    shutil.copytree(ROOT / "edge_app", package)
    added = {
        "records.py": "from edge_app import pipeline",
        "pipeline.py": "from edge_app.sources import webcam",
        "decision.py": "import cv2",
        "sources/webcam.py": "from edge_app.sinks.log import Log",
        "sinks/log.py": "def later():\n    import torch",
    }
    for name, line in added.items():
        with (package / name).open("a") as file:
            file.write(f"\n{line}\n")
    found = " ".join(violations(package))
    for expected in (
        "records imports edge_app.pipeline",
        "pipeline imports edge_app.sources.webcam",
        "decision imports cv2",
        "sources.webcam imports edge_app.sinks.log",
        "sinks.log imports torch",
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
    assert {"edge_app.sources.video", "edge_app.flags.run", "cv2"} <= loaded
    idle = {"sources.webcam", "sources.picamera", "sources.synthetic", "sources.stream", "overlay", "sinks.window"}
    idle |= {f"flags.{word}" for word in (*flags.WORDS, "app") if word != "run"}
    assert not loaded & {*(f"edge_app.{name}" for name in idle), "simplejpeg", "difflib", "tomllib"}
