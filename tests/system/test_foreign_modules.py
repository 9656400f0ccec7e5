"""Modules that lie in the current folder, under names that edge-app or Python import, are never run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_app.system import process
from tests.conftest import DATA, ROOT
from tests.results import environment

PROGRAM = Path(sys.executable).with_name("edge-app")  # its module path begins with its own folder, not the current one
LABELS = ("--labels", str(DATA / "rgb.txt"))
RUN = ("run", "--source", "synthetic", "--frames", "3", "--preview", "none", "--log", os.devnull)
NAMES = (
    *("numpy", "cv2", "ai_edge_litert", "tflite_runtime", "picamera2", "simplejpeg", "pydantic", "edge_app"),
    *("runpy", "encodings", "importlib", "site", "sitecustomize", "usercustomize", "subprocess", "json", "typing"),
    *("venv", "ensurepip", "pip", "torch"),
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Make a folder with a model and with files, and packages, that tell when they are run."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    told = tmp_path / "told"
    for number, name in enumerate(NAMES):
        path = folder / f"{name}.py" if number % 2 else folder / name / "__init__.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"with open({str(told)!r}, 'a') as file:\n    file.write(__name__ + ' ')\nraise SystemExit(9)\n"
        )
    (folder / "m.tflite").write_bytes((DATA / "mean_uint8.tflite").read_bytes())
    return folder


def told(folder: Path) -> str:
    """Return the names of the modules of a hostile folder that were run."""
    file = folder.parent / "told"
    return file.read_text() if file.exists() else ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "verify", "m.tflite", *LABELS),
        ("models", "show", "m.tflite", *LABELS),
        (*RUN, "--model", "m.tflite", *LABELS),
        ("bench", "--model", "m.tflite", *LABELS, "--frames", "20", "--repetitions", "1", "--size", "64x48"),
    ],
    ids=["verify", "show", "run", "bench"],
)
def test_no_command_runs_the_current_folder(arguments: tuple[str, ...], hostile: Path) -> None:
    """A folder of downloads is only data: its model, named by a relative path, works; its modules stay unread."""
    done = subprocess.run(
        [PROGRAM, *arguments], cwd=hostile, env=environment(hostile), capture_output=True, text=True, check=False
    )
    assert (done.returncode, told(hostile)) == (0, ""), done.stderr


@pytest.mark.parametrize("path", ["", ":/nonexistent", "/nonexistent::/nonexistent", ".", "/nonexistent:../downloads"])
@pytest.mark.parametrize("words", [(str(PROGRAM),), (sys.executable, "-m", "edge_app")], ids=["program", "-m"])
def test_an_accident_in_pythonpath_runs_nothing_of_the_current_folder(
    words: tuple[str, ...], path: str, hostile: Path
) -> None:
    """`PYTHONPATH=$PYTHONPATH:/mine` has an empty entry, which Python takes for the current folder; so has `-m`."""
    for name in ("edge_app", "runpy", "encodings", "importlib", "site", "sitecustomize", "usercustomize", "subprocess"):
        shutil.rmtree(hostile / name, ignore_errors=True)  # what Python imports before any code of ours
        (hostile / f"{name}.py").unlink(missing_ok=True)
    for name in ("json", "typing"):
        shutil.rmtree(hostile / name, ignore_errors=True)
        (hostile / f"{name}.py").unlink(missing_ok=True)
    variables = environment(hostile, PYTHONPATH=path) if path else environment(hostile)
    words = (*words, *RUN, "--model", "m.tflite", *LABELS)
    done = subprocess.run(words, cwd=hostile, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, told(hostile)) == (0, ""), done.stderr


def test_a_full_path_in_pythonpath_is_a_wish(tmp_path: Path) -> None:
    """Whoever names a folder gets its modules, even if it is the current one."""
    (tmp_path / "numpy.py").write_text("open('was-run', 'w')\nraise SystemExit(9)")
    words = [str(PROGRAM), "models", "verify", "cifar10-base"]
    variables = environment(tmp_path, PYTHONPATH=str(tmp_path))
    subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    assert (tmp_path / "was-run").exists()


@pytest.mark.parametrize("variables", [{}, {"DISPLAY": ":77"}])
def test_the_doctor_runs_nothing_of_the_current_folder(variables: dict[str, str], hostile: Path) -> None:
    """What it imports to see whether it imports is what edge-app itself would import."""
    done = subprocess.run(
        [PROGRAM, "doctor"],
        cwd=hostile,
        env=environment(hostile, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert told(hostile) == ""
    assert "ok       opencv" in done.stdout and "ok       runtime" in done.stdout


def test_a_module_path_of_ones_own_counts_in_children_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child finds what this process finds, in the same order: PYTHONPATH is a wish, relative entries are not."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('mine')")
    monkeypatch.setattr(sys, "path", ["", "relative", str(tmp_path), *sys.path])
    assert process.run_child(process.python_child("import numpy"), threading.Event(), 60).said == "mine\n"


WHICH = """
import os, sys, threading
from edge_app.system import process
code = "import sys, edge_app; print(edge_app.__file__); print(sys.path)"
print(process.run_child(process.python_child(code), threading.Event(), 60).printed)
"""


@pytest.mark.parametrize("is_module", [True, False], ids=["-m", "-c"])
def test_a_child_has_the_same_edge_app_without_the_folder_it_lies_in(is_module: bool, tmp_path: Path) -> None:
    """`python -m` in a checkout that is not installed works, and its folder is on no child's module path."""
    (tmp_path / "edge_app" / "system").mkdir(parents=True)
    for name in ("__init__.py", "system/__init__.py", "system/process.py"):
        (tmp_path / "edge_app" / name).write_text((ROOT / "edge_app" / name).read_text())
    (tmp_path / "which.py").write_text(WHICH)
    words = ["-m", "which"] if is_module else ["-c", WHICH]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True)
    file, path = done.stdout.strip().splitlines()
    assert file == str(tmp_path / "edge_app" / "__init__.py")
    assert repr(str(tmp_path)) not in path and "''" not in path


def test_packages_of_the_user_are_kept_where_this_process_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """`pip install --user edge-app` works: its children see that folder, in an environment of their own they do not."""
    for has_them in (True, False):
        monkeypatch.setattr("site.ENABLE_USER_SITE", has_them)
        assert ("-s" in process.python_child("pass")) != has_them


def test_variables_of_python_do_not_count_in_a_child(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH, which an interpreter reads before any code of ours, is not read by a child."""
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    for command in (process.python_child("import numpy"), process.bare_python("import json")):
        assert process.run_child(command, threading.Event(), 60).code == 0
    assert told(hostile) == ""


def test_a_child_and_what_it_has_started_end_together(tmp_path: Path) -> None:
    """Giving a child up ends its own children: nothing goes on writing behind the back of whoever cleans up."""
    alive = tmp_path / "alive"
    os.mkfifo(alive)
    code = "import subprocess, sys; subprocess.run(['sh', '-c', 'exec 3>\"$1\"; sleep 60', 'sh', sys.argv[1]])"
    stop = threading.Event()
    child = threading.Thread(target=process.run_child, args=(process.bare_python(code, str(alive)), stop, 60))
    child.start()
    with alive.open("rb") as pipe:  # opens when the grandchild has opened its end
        stop.set()
        child.join(20)
        assert pipe.read() == b"" and not child.is_alive()  # its end is closed: it has ended
