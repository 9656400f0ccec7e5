"""Building an environment for the service, with the real venv and pip, and breaking it off."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from edge_app.errors import DependencyMissing, RunError, StartError
from edge_app.service import building, environments
from edge_app.settings.flags.service import ServiceInstall
from tests.conftest import ROOT
from tests.results import environment

NO_SETTINGS = Path("/nonexistent/config.toml")
PROGRAM = Path(sys.executable).with_name("edge-app")


@pytest.fixture
def link(tmp_path: Path) -> Path:
    """Return where the link to the environment in use would be, which everybody may reach."""
    (tmp_path / "opt").mkdir()
    return tmp_path / "opt" / "edge-app"


def write_wheel(folder: Path, main: str, more: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Write a wheel named edge-app with the given program and further files; return its path."""
    info = "edge_app-9.9.9.dist-info"
    files = {
        "edge_app/__init__.py": f"import os, sys\ndef main():\n    {main}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: edge-app\nVersion: 9.9.9\nProvides-Extra: headless\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-app = edge_app:main\n",
    }
    files |= more
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
    folder = building.build(settings, link, NO_SETTINGS, threading.Event())
    assert not told.exists()
    assert environments.own(link) == [folder] and (folder / "bin" / "edge-app").exists()
    packages = [path.name for path in folder.glob("lib/python3*/site-packages/*")]
    assert sorted(packages) == ["edge_app", "edge_app-9.9.9.dist-info"]  # neither pip nor setuptools
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
    more = {"edge_app-9.9.9.dist-info/METADATA": LACKING} if main is None else {}
    wheel = write_wheel(tmp_path / "wheels", main or "", more)
    with pytest.raises(RunError, match=says):
        building.build(ServiceInstall(from_=wheel, wheels=tmp_path / "wheels"), link, NO_SETTINGS, threading.Event())
    assert list(link.parent.iterdir()) == []


LACKING = "Metadata-Version: 2.1\nName: edge-app\nVersion: 9.9.9\nProvides-Extra: headless\nRequires-Dist: absent\n"


@pytest.mark.parametrize("content", [b"no wheel", b"PK\x03\x04 cut off"])
def test_a_damaged_wheel_is_refused_before_anything_is_made(content: bytes, link: Path, tmp_path: Path) -> None:
    """One line names the file that the user named."""
    wheel = tmp_path / "edge_app-9.9.9-py3-none-any.whl"
    wheel.write_bytes(content)
    with pytest.raises(StartError, match=f"{wheel} is not a wheel"):
        building.build(ServiceInstall(from_=wheel), link, NO_SETTINGS, threading.Event())
    assert list(link.parent.iterdir()) == []


INSTALL = """
import sys
from pathlib import Path
from edge_app import cli
from edge_app.service import install, settings_file, systemd
from edge_app.system import process
stop = process.stop_on_signals()
places = install.Places(Path(sys.argv[1]))
install.require_root, systemd.show, systemd.systemctl = lambda: None, dict, lambda *words, stop=None: ""
settings_file.make_group = lambda *_: False
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


def told(folder: Path) -> Path:
    """Make a folder that everybody may write to."""
    (folder / "told").mkdir()
    (folder / "told").chmod(0o777)
    return folder / "told"


MOMENTS = {
    "venv": "opt/edge-app-env-1",
    "ensurepip": "opt/edge-app-env-1/.edge-app-scratch/tools/bin/python",
    "pip": "opt/edge-app-env-1/.edge-app-scratch/*.whl",
    "trial": "told/trying",
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,) * 3], ids=["TERM", "HUP", "INT"]
)
def test_an_interrupted_install_leaves_nothing(
    numbers: tuple[signal.Signals, ...], moment: str, tmp_path: Path
) -> None:
    """Whenever and however often a signal comes, all is removed within seconds and the process dies of it."""
    trial = f"open({str(told(tmp_path) / 'trying')!r}, 'w'); import time; time.sleep(60)"
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


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_is_no_checkout_is_refused(name: str, link: Path, tmp_path: Path) -> None:
    """Before anything is made."""
    with pytest.raises(StartError, match="neither a wheel nor a checkout"):
        building.build(ServiceInstall(from_=tmp_path / name), link, NO_SETTINGS, threading.Event())
    assert list(link.parent.iterdir()) == []


def test_an_interpreter_at_home_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ProtectHome= hides /home and /root: an interpreter there would not start. Either may be a link."""
    (tmp_path / "home").symlink_to("/usr")
    monkeypatch.setattr(building, "PRIVATE_FOLDERS", ("/root", str(tmp_path / "home")))
    with pytest.raises(DependencyMissing, match="a service cannot use"):
        building.choose_python(threading.Event())


def test_it_knows_where_it_came_from() -> None:
    """Run from a checkout, it would install that checkout."""
    assert building.origin() == ROOT


IS_ROOT = os.geteuid() == 0
WHO = "import os; open({folder!r} + '/' + {name!r} + str(os.geteuid()), 'w')"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become another user")
def test_root_runs_nothing_that_is_in_a_wheel(link: Path, tmp_path: Path) -> None:
    """Program and .pth file of a wheel run as nobody, and nothing else does: pip imports no module of it."""
    folder = str(told(tmp_path))
    more = {
        "evil.pth": WHO.format(folder=folder, name="pth") + "\n",
        "requests.py": WHO.format(folder=folder, name="requests") + "\n",
    }
    wheel = write_wheel(tmp_path / "wheels", WHO.format(folder=folder, name="main") + "; " + GOOD, more)
    building.build(ServiceInstall(from_=wheel, wheels=wheel.parent), link, NO_SETTINGS, threading.Event())
    assert {path.name for path in Path(folder).iterdir()} == {"pth65534", "main65534"}


SPOILING = {
    "PIP_PYTHON": "/bin/false",
    "PIP_TARGET": "/nonexistent/target",
    "PIP_PREFIX": "/nonexistent/prefix",
    "PIP_ROOT": "/nonexistent/root",
    "PIP_USER": "1",
    "PIP_DRY_RUN": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_CONSTRAINT": "/nonexistent/constraints.txt",
    "PIP_NO_BINARY": ":all:",
    "PIP_CONFIG_FILE": "/nonexistent/pip.conf",
    "LD_PRELOAD": "/nonexistent/evil.so",
    "PYTHONHOME": "/nonexistent",
    "PATH": "/nonexistent",
    "EDGE_APP_MODEL": "/nonexistent.tflite",
    "EDGE_APP_NONSENSE": "1",
}


def test_variables_of_the_caller_do_not_count(link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those of pip that spoil an installation, nor those of the loader, nor settings of the caller's."""
    for name, value in SPOILING.items():
        monkeypatch.setenv(name, value)
    wheel = write_wheel(tmp_path / "wheels", GOOD)
    folder = building.build(ServiceInstall(from_=wheel, wheels=wheel.parent), link, NO_SETTINGS, threading.Event())
    assert (folder / "bin" / "edge-app").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[model]\nmodel = "/nonexistent.tflite"', "no model is called"),
        ("[camera]\nsorce = 'auto'", "did you mean"),
        (
            '[camera]\nsource = "rtsp://no/camera"\nsize = "4000x3000"\ncrop = "3000,0,900,900"\nrate = 0.001\n'
            '[output]\nsink = ["log:/nonexistent/file"]\npreview = "window"\nlog = "/nonexistent/log"',
            None,
        ),
    ],
    ids=["model", "mistake", "good"],
)
def test_the_services_own_settings_are_tried(settings: str, says: str | None, link: Path, tmp_path: Path) -> None:
    """A version that refuses the user's settings or model is refused; cameras, sinks and logs are left alone."""
    own = tmp_path / "config.toml"
    own.write_text(settings)
    wheel = write_wheel(tmp_path / "wheels", GOOD)
    wanted = ServiceInstall(from_=wheel, wheels=wheel.parent)
    if says is None:
        building.build(wanted, link, own, threading.Event())
        return
    with pytest.raises(RunError, match=f"trying the service's settings failed \\(exit code 78\\):\n.*{says}"):
        building.build(wanted, link, own, threading.Event())
    assert list(link.parent.iterdir()) == []


def write_dependency(folder: Path) -> str:
    """Write a wheel called dep, and a source archive of a newer one that cannot be built; return the wheel's hash."""
    path = folder / "dep-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("dep.py", "")
        wheel.writestr("dep-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: dep\nVersion: 1.0\n")
        wheel.writestr("dep-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("dep-1.0.dist-info/RECORD", "")
    with tarfile.open(folder / "dep-2.0.tar.gz", "w:gz") as archive:
        text = b"raise SystemExit('run')"
        info = tarfile.TarInfo("dep-2.0/setup.py")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("is_right", [True, False])
def test_packages_of_an_index_must_have_their_hashes(
    is_right: bool, link: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the wheel pins is installed, and only that very file; where it comes from is the user's choice."""
    (tmp_path / "index").mkdir()
    digest = write_dependency(tmp_path / "index")
    pins = f"# pinned\ndep==1.0 \\\n    --hash=sha256:{'0' * 64}{f' --hash=sha256:{digest}' if is_right else ''}\n"
    wheel = write_wheel(tmp_path / "wheels", GOOD, {"edge_app/constraints.txt": pins})
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    if is_right:
        folder = building.build(ServiceInstall(from_=wheel), link, NO_SETTINGS, threading.Event())
        assert list(folder.glob("lib/python3*/site-packages/dep.py"))
        return
    with pytest.raises(RunError, match="installing edge-app failed"):
        building.build(ServiceInstall(from_=wheel), link, NO_SETTINGS, threading.Event())


@pytest.mark.parametrize("is_pinned", [True, False])
def test_a_folder_of_wheels_is_vouched_for_by_whoever_names_it(
    is_pinned: bool, link: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pinned files are checked by hash. Others are taken with a message; without a folder all must be pinned."""
    (tmp_path / "wheels").mkdir()
    digest = write_dependency(tmp_path / "wheels")
    info = "Metadata-Version: 2.1\nName: edge-app\nVersion: 9.9.9\nProvides-Extra: headless\nRequires-Dist: dep\n"
    pins = f"dep==1.0 --hash=sha256:{digest if is_pinned else '0' * 64}\n"
    more = {"edge_app/constraints.txt": pins, "edge_app-9.9.9.dist-info/METADATA": info}
    wheel = write_wheel(tmp_path / "wheels", GOOD, more)
    folder = building.build(ServiceInstall(from_=wheel, wheels=wheel.parent), link, NO_SETTINGS, threading.Event())
    assert list(folder.glob("lib/python3*/site-packages/dep.py"))
    assert ("not the packages, by hash, that edge-app was tested with" in caplog.text) != is_pinned
    unpinned = write_wheel(tmp_path / "other", GOOD)
    with pytest.raises(StartError, match="does not list the hashes"):
        building.build(ServiceInstall(from_=unpinned), link, NO_SETTINGS, threading.Event())


@pytest.mark.parametrize("moment", ["ensurepip", "trial"])
def test_nothing_goes_on_after_the_installer_was_killed(moment: str, tmp_path: Path) -> None:
    """SIGKILL of the installer ends what it has started, as root and as nobody; the next installation clears up."""
    pipe = told(tmp_path) / "alive"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    trial = f"open({str(tmp_path / 'told' / 'trying')!r}, 'w'); open({str(pipe)!r}, 'w'); import time; time.sleep(60)"
    with installing(tmp_path, trial) as process:
        wait_for(tmp_path, MOMENTS[moment])
        if moment == "trial":
            with pipe.open("rb") as end:  # opens when the trial has opened its end
                process.kill()
                assert end.read() == b""  # its end is closed: it has ended
    link = tmp_path / "opt" / "edge-app"
    with environments.locked(link.parent, threading.Event()):
        (half,) = environments.own(link)
        assert environments.remove(half) and list(link.parent.iterdir()) == []
