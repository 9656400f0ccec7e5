"""Installing the service, without running it: tests/vm/test_service.py does that on a real machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_app.errors import RunError
from edge_app.service import building, environments, install
from edge_app.service.install import Places
from edge_app.settings.flags.service import ServiceInstall
from edge_app.system import v4l2
from tests.results import edge_app

RUNNING = {
    "LoadState": "loaded",
    "UnitFileState": "enabled",
    "ActiveState": "active",
    "SubState": "running",
    "ActiveEnterTimestamp": "Wed 2026-11-25 06:00:00 UTC",
    "Result": "success",
    "ExecMainStatus": "0",
    "NRestarts": "0",
    "StatusText": "webcam:/dev/video0: cat, 5.0 classifications/s",
}


@pytest.mark.parametrize("arguments", [("install",), ("uninstall", "--purge"), ("status",)])
def test_without_systemd_one_line_says_so(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """On a machine that systemd does not run, nothing is touched."""
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs this machine, and the tests leave its services alone")
    done = edge_app(tmp_path, "service", *arguments)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "edge-app: systemd does not run this machine; 'edge-app run' works without it\n"


def test_status_in_words() -> None:
    """A service that runs says what it sees; restarts are told; one that was refused says what to do."""
    assert install.describe(RUNNING).splitlines() == [
        "active (running) since Wed 2026-11-25 06:00:00 UTC",
        "webcam:/dev/video0: cat, 5.0 classifications/s",
        "starts at boot",
    ]
    assert "restarted 3 times" in install.describe(RUNNING | {"NRestarts": "3"})
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}
    assert "settings or model were refused" in install.describe(RUNNING | failed)
    assert "ended with core-dump (exit code 11)" in install.describe(
        RUNNING | failed | {"Result": "core-dump", "ExecMainStatus": "11"}
    )
    assert "sudo edge-app service install" in install.describe({"LoadState": "not-found"})


def test_status_names_who_has_the_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The status names the process that has the camera, which the service cannot see, but never the service."""
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(v4l2, "nodes", lambda: [node])
    degraded = RUNNING | {"StatusText": "degraded, no picture from webcam: /dev/video0 cannot be opened"}
    script = "import sys; file = open(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script, node], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        assert f"{node} is in use by python" in install.describe(degraded | {"MainPID": "1"})
        assert "in use" not in install.describe(RUNNING | {"MainPID": "1"})
        assert "in use" not in install.describe(degraded | {"MainPID": str(other.pid)})
        other.communicate(b"\n")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a root folder that the tests may install into, and a systemctl that does nothing."""
    monkeypatch.setattr(install, "require_root", lambda: None)
    monkeypatch.setattr(install, "show", lambda: RUNNING)
    monkeypatch.setattr(install, "systemctl", lambda *words, stop=None: "")
    root = tmp_path / "root"
    (root / "opt").mkdir(parents=True)
    return Places(root)


def finished(places: Places, name: str = "") -> Path:
    """Make a finished environment and the link to it; return its folder."""
    folder = places.environment.with_name(name) if name else environments.create(places.environment)
    for file in ("pyvenv.cfg", "bin/edge-app", "lib/python3/site-packages/numpy.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    places.environment.unlink(missing_ok=True)
    places.environment.symlink_to(folder.name)
    return folder


def test_uninstalling_leaves_settings_and_logs(places: Places) -> None:
    """All that an installation makes is removed, what the user has stays; settings and logs go only with --purge."""
    made = [places.unit, places.drop_ins / install.DROP_IN, *(p / "x" for p in places.state[1:])]
    kept = [places.settings, places.logs[1] / "results.jsonl"]
    users = [places.drop_ins / "mine.conf", places.settings.with_name("my.tflite")]
    for file in [*made, *kept, *users]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    finished(places)
    for link, folder in (places.logs, places.state):  # as systemd leaves them for a DynamicUser
        link.symlink_to(folder)
    install.uninstall(is_purging=False, places=places)
    assert files(places) == {*kept, places.logs[0], *users}
    install.uninstall(is_purging=True, places=places)
    assert files(places) == set(users)
    assert list(places.environment.parent.iterdir()) == []


def files(places: Places) -> set[Path]:
    """Return every file and link."""
    return {path for path in places.root.rglob("*") if not path.is_dir() or path.is_symlink()}


def test_an_environment_of_an_earlier_version_is_ours_if_it_is_in_use(places: Places) -> None:
    """Its name, what is in it and the link prove it; a folder named alike that nothing links to may be anybody's."""
    doubtful = places.environment.with_name("edge-app-20250101T000000")
    finished(places, doubtful.name)
    earlier = finished(places, "edge-app-20260101T000000")
    assert environments.own(places.environment) == [earlier]
    assert environments.doubtful(places.environment) == [doubtful]
    install.uninstall(is_purging=True, places=places)
    assert list(places.environment.parent.iterdir()) == [doubtful]


def test_uninstall_removes_nothing_in_place_of_the_link(places: Places) -> None:
    """A checkout in /opt/edge-app, or a link of the user's, is no link that install made."""
    places.environment.mkdir()
    (places.environment / "my.tflite").touch()
    assert install.uninstall(is_purging=True, places=places) == []
    assert (places.environment / "my.tflite").exists()
    shutil.rmtree(places.environment)
    places.environment.symlink_to("/srv")
    assert install.uninstall(is_purging=True, places=places) == []
    assert places.environment.is_symlink()


def test_where_something_is_in_the_way_nothing_is_begun(places: Places) -> None:
    """An obstacle is reported before ten minutes of installing, not after."""
    places.environment.mkdir()
    with pytest.raises(RunError, match="is in the way: edge-app did not make it"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert list(places.environment.parent.iterdir()) == [places.environment]


@pytest.mark.parametrize("was_there", [True, False])
@pytest.mark.parametrize("failing", ["enable", "restart"])
def test_a_service_that_does_not_start_leaves_everything_as_it_was(
    was_there: bool, failing: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link, the unit and the settings are put back, and what ran is started again."""
    (places.environment.parent / "neighbour").touch()
    if was_there:
        finished(places)
        install._write(places.unit, b"an older unit")
        install._write(places.settings, b"mine")
    before = {path: path.is_symlink() or path.read_bytes() for path in files(places)}
    done: list[str] = []

    def systemctl(*words: str, stop: threading.Event | None = None) -> str:
        done.append(words[0])
        if words[0] == failing and done.count(failing) == 1:
            raise RunError("it does not")
        return ""

    monkeypatch.setattr(install, "systemctl", systemctl)
    monkeypatch.setattr(install, "show", lambda: RUNNING if was_there else {"ActiveState": "inactive"})
    monkeypatch.setattr(building, "build", lambda settings, link, stop: environments.create(link))
    with pytest.raises(RunError, match="it does not"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert {path: path.is_symlink() or path.read_bytes() for path in files(places)} == before
    assert not was_there or places.environment.resolve().name == "edge-app-env-1"
    assert (done[-1] == "restart") == was_there
    assert ("disable" in done and "stop" in done) != was_there


def test_a_failed_installation_undoes_only_what_it_wrote(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the user edits during the long build stay as edited, whether they existed before or not."""

    def build(settings: ServiceInstall, link: Path, stop: threading.Event) -> Path:
        install._write(places.settings, b"edited meanwhile")
        return environments.create(link)

    monkeypatch.setattr(building, "build", build)
    monkeypatch.setattr(install, "systemctl", refusing("restart"))
    for before in (None, b"old"):
        places.settings.unlink(missing_ok=True)
        if before:
            install._write(places.settings, before)
        with pytest.raises(RunError, match="it does not"):
            install.install(ServiceInstall(), threading.Event(), places)
        assert places.settings.read_bytes() == b"edited meanwhile"
        assert not places.unit.exists() and not places.environment.is_symlink()


def refusing(command: str) -> Callable[..., str]:
    """Return a systemctl that fails at one command."""

    def systemctl(*words: str, stop: threading.Event | None = None) -> str:
        if words[0] == command:
            raise RunError("it does not")
        return ""

    return systemctl


@pytest.mark.parametrize("place", ["unit", "drop-in", "settings"])
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_what_cannot_be_restored_is_refused_before_the_build(place: str, kind: str, places: Places) -> None:
    """A folder in the place of a file, and a masked or linked unit, are named and left as they are."""
    paths = {"unit": places.unit, "drop-in": places.drop_ins / install.DROP_IN, "settings": places.settings}
    path = paths[place]
    path.parent.mkdir(parents=True)
    target = places.root / "precious"
    target.mkdir()
    (target / "file").touch()
    if kind == "folder":
        target.rename(path)
    else:
        path.symlink_to(target)
    with pytest.raises(RunError, match="is not a file|is a link"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert (path / "file").exists() and list(places.environment.parent.iterdir()) == []


def test_uninstall_leaves_a_state_folder_that_no_dynamic_user_made(places: Places) -> None:
    """systemd's state folder is a link; a real folder of that name is somebody's data."""
    data = places.state[0] / "data"
    data.parent.mkdir(parents=True)
    data.touch()
    install.uninstall(is_purging=True, places=places)
    assert data.exists()
