"""Building an environment for the service, with the real venv and pip, and breaking it off."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app.errors import DependencyMissing, Interrupted, RunError, StartError
from edge_app.service import building, environments
from edge_app.settings.flags.service import ServiceInstall
from tests.conftest import ROOT
from tests.results import environment

PROGRAM = Path(sys.executable).with_name("edge-app")


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Return where the link to the environment in use would be."""
    (tmp_path / "opt").mkdir()
    return tmp_path / "opt" / "edge-app"


def write_wheel(folder: Path, main: str) -> Path:
    """Write a wheel named edge-app without dependencies and with the given program; return its path."""
    info = "edge_app-9.9.9.dist-info"
    files = {
        "edge_app/__init__.py": f"import os, sys\ndef main():\n    {main}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: edge-app\nVersion: 9.9.9\nProvides-Extra: headless\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-app = edge_app:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    folder.mkdir(exist_ok=True)
    path = folder / "edge_app-9.9.9-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return path


GOOD = f"os.execv({str(PROGRAM)!r}, ['edge-app', *sys.argv[1:]])"


def test_an_environment_is_built_among_foreign_modules(
    link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths of wheel and folder work; modules in the current folder and on PYTHONPATH are not run."""
    wheel = write_wheel(tmp_path / "wheels", GOOD)
    told = tmp_path / "told"
    for name in (
        "venv",
        "pip",
        "ensurepip",
        "importlib",
        "encodings",
        "sitecustomize",
        "picamera2",
        "edge_app",
        "runpy",
    ):
        (tmp_path / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write(__name__)\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", "pip.py")
    settings = ServiceInstall(from_=wheel.relative_to(tmp_path), wheels=Path("wheels"))
    folder = building.build(settings, link, threading.Event())
    assert not told.exists()
    assert environments.own(link) == [folder] and (folder / "bin" / "edge-app").exists()
    assert environments.remove(folder) and list(link.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("main", "says"),
    [
        (
            "sys.exit('the model is damaged')",
            "the self-test failed \\(exit code 1\\):\nthe model is damaged\nfix that",
        ),
        (None, "installing edge-app failed"),
    ],
)
def test_a_step_that_fails_leaves_nothing(main: str | None, says: str, link: Path, tmp_path: Path) -> None:
    """If pip or the trial fails, the message has its last output, and no environment is left."""
    wheel = write_wheel(tmp_path / "wheels", main or "")
    if main is None:
        wheel.write_bytes(b"no wheel")
    with pytest.raises(RunError, match=says):
        building.build(ServiceInstall(from_=wheel, wheels=tmp_path / "wheels"), link, threading.Event())
    assert list(link.parent.iterdir()) == []


INSTALL = """
import sys
from pathlib import Path
from edge_app import cli
from edge_app.service import install
from edge_app.system import process
stop = process.stop_on_signals()
places = install.Places(Path(sys.argv[1]))
install.require_root, install.show, install.systemctl = lambda: None, dict, lambda *words, stop=None: ""
install.install.__defaults__ = (places,)
process.leave(cli.main(["service", "install", "--from", sys.argv[2], "--wheels", sys.argv[3]], stop))
"""


@contextlib.contextmanager
def installing(root: Path, main: str) -> Iterator[subprocess.Popen[str]]:
    """Run `service install` of a wheel whose program does as given, into a root of its own; systemd is left alone."""
    scratch = root / "tmp"
    scratch.mkdir(exist_ok=True)
    wheel = write_wheel(root / "wheels", main)
    words = [sys.executable, "-c", INSTALL, str(root), str(wheel), str(wheel.parent)]
    clean = environment(root, TMPDIR=str(scratch))
    with subprocess.Popen(words, cwd=root, env=clean, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(root: Path, pattern: str) -> None:
    """Wait until a file is there."""
    deadline_s = time.monotonic() + 60
    while not list(root.glob(pattern)):
        assert time.monotonic() < deadline_s, f"no {pattern}"
        time.sleep(0.01)


MOMENTS = {
    "venv": "opt/edge-app-env-1",
    "ensurepip": "opt/edge-app-env-1/bin/python",
    "pip": "opt/edge-app-env-1/bin/pip",
    "trial": "trying",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,) * 3], ids=["TERM", "HUP", "INT"]
)
def test_an_interrupted_install_leaves_nothing(
    numbers: tuple[signal.Signals, ...], moment: str, tmp_path: Path
) -> None:
    """Whenever and however often a signal comes, all is removed within seconds and the process dies of it."""
    trial = f"open({str(tmp_path / 'trying')!r}, 'w'); import time; time.sleep(60)"
    with installing(tmp_path, trial) as process:
        wait_for(tmp_path, MOMENTS[moment])
        asked_s = time.monotonic()
        for number in numbers:
            process.send_signal(number)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == -numbers[0], said
    assert time.monotonic() - asked_s < 5
    assert "interrupted: everything is as it was before" in said and "Traceback" not in said
    assert list((tmp_path / "opt").iterdir()) == [] == list((tmp_path / "tmp").iterdir())


def test_what_a_power_cut_has_left_is_removed_by_the_next_install(tmp_path: Path) -> None:
    """A half-made environment that is marked as ours goes; one in use stays until the new one has its place."""
    (tmp_path / "opt" / "edge-app-models").mkdir(parents=True)
    half = environments.create(tmp_path / "opt" / "edge-app")
    (half / "lib").mkdir()
    for number in (1, 2):  # the second replaces the first
        with installing(tmp_path, GOOD) as process:
            said = process.communicate(timeout=120)[1]
        assert process.returncode == 0, said
        found = sorted(path.name for path in (tmp_path / "opt").iterdir())
        assert found == ["edge-app", f"edge-app-env-{number}", "edge-app-models"]
        assert (tmp_path / "opt" / "edge-app").readlink() == Path(found[1])


def test_a_checkout_is_built_from_a_copy(tmp_path: Path) -> None:
    """Building as root leaves nothing in the user's checkout; a wheel is taken as it is."""
    copy = building.unspoilt(ROOT, tmp_path, threading.Event())
    assert copy != ROOT and (copy / "setup.py").exists() and (copy / "systemd" / "edge-app.service").exists()
    assert not (copy / ".git").exists()
    wheel = tmp_path / "edge_app-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert building.unspoilt(wheel, tmp_path, threading.Event()) == wheel


def test_a_checkout_that_cannot_be_copied_says_why(tmp_path: Path) -> None:
    """One line names the file; and a long copy can be broken off."""
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "dangling").symlink_to("nowhere")
    with pytest.raises(RunError, match="cannot copy .*dangling"):
        building.unspoilt(tmp_path / "from", tmp_path / "to", threading.Event())
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        building.unspoilt(ROOT, tmp_path / "again", stop)


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_is_no_checkout_is_refused(name: str, link: Path, tmp_path: Path) -> None:
    """Before anything is made."""
    with pytest.raises(StartError, match="neither a wheel nor a checkout"):
        building.build(ServiceInstall(from_=tmp_path / name), link, threading.Event())
    assert list(link.parent.iterdir()) == []


def test_pip_hears_of_the_wheel_folder_and_of_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline everything comes from the folder; under sudo the invoking user's pip settings apply."""
    command = building.pip_command(tmp_path, tmp_path / "x.whl", tmp_path / "wheels", "[headless]")
    assert command[-4:-1] == ["--no-index", "--find-links", str(tmp_path / "wheels")]
    assert command[-1] == f"edge-app[headless] @ file://{tmp_path}/x.whl"
    assert "--no-index" not in building.pip_command(tmp_path, tmp_path / "x.whl", None, "")
    assert building.pip_variables({"PATH": "/bin"}) == {}
    assert building.pip_variables({"SUDO_USER": "nobody-of-that-name"}) == {}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my wheels").mkdir()
    (tmp_path / "more").mkdir()
    given = {"PIP_FIND_LINKS": "my wheels", "PIP_CONSTRAINT": "more https://x/c.txt", "PIP_NO_INDEX": "1"}
    assert building.pip_variables(given) == {
        "PIP_FIND_LINKS": f"{tmp_path}/my wheels",
        "PIP_CONSTRAINT": f"{tmp_path}/more https://x/c.txt",
    }


def test_variables_of_python_are_kept_from_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables given to a step override those of the environment."""
    monkeypatch.setenv("PYTHONPATH", "/tmp")
    monkeypatch.setenv("COLOUR", "red")
    printed = building.step("looking", ["env"], threading.Event(), {"COLOUR": "blue"}).splitlines()
    assert [line for line in printed if line.startswith("PYTHON")] == ["PYTHONNOUSERSITE=1"]
    assert "COLOUR=blue" in printed


def test_an_interpreter_at_home_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """ProtectHome= hides /home and /root: an interpreter there would not start."""
    monkeypatch.setattr(building, "PRIVATE_HOMES", ("/",))
    with pytest.raises(DependencyMissing, match="a service cannot use"):
        building.choose_python(threading.Event())


def test_it_knows_where_it_came_from() -> None:
    """Run from a checkout, it would install that checkout."""
    assert building.origin() == ROOT


def test_a_step_that_fails_is_told_by_its_name_and_its_last_words() -> None:
    """The error does not show the step's command line, which may contain an index's password."""
    failing = ["sh", "-c", "for n in 1 2 3 4 5 6 7 8 9; do echo line $n >&2; done; exit 4", "https://user:secret@index"]
    with pytest.raises(RunError) as caught:
        building.step("installing edge-app", failing, threading.Event())
    first, *said, remedy = caught.value.lines
    assert first == "installing edge-app failed (exit code 4):"
    assert said == [f"line {n}" for n in range(2, 10)]
    assert remedy == caught.value.remedy == "fix that, then run the same command again"
