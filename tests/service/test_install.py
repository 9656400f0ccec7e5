"""Installing the service, without running it: tests/vm/test_service.py does that on a real machine."""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_app.errors import RunError
from edge_app.service import building, doors, environments, install, settings_file, systemd
from edge_app.service.install import Places
from edge_app.service.needs import Need
from edge_app.settings.flags.service import ServiceInstall
from edge_app.system import shipped, v4l2
from tests.full_disk import largest_file
from tests.results import edge_app

OURS = shipped.folder("systemd").joinpath("edge-app.service").read_text()
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
    assert systemd.describe(RUNNING).splitlines() == [
        "active (running) since Wed 2026-11-25 06:00:00 UTC",
        "webcam:/dev/video0: cat, 5.0 classifications/s",
        "starts at boot",
    ]
    assert "restarted 3 times" in systemd.describe(RUNNING | {"NRestarts": "3"})
    failed = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "78"}
    assert "settings or model were refused" in systemd.describe(RUNNING | failed)
    assert "ended with core-dump (exit code 11)" in systemd.describe(
        RUNNING | failed | {"Result": "core-dump", "ExecMainStatus": "11"}
    )
    assert "sudo edge-app service install" in systemd.describe({"LoadState": "not-found"})


def test_status_names_who_has_the_camera(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The status names the process that has the camera, which the service cannot see, but never the service."""
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(v4l2, "nodes", lambda: [node])
    degraded = RUNNING | {"StatusText": "degraded, no picture from webcam: /dev/video0 cannot be opened"}
    script = "import sys; file = open(sys.argv[1]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script, node], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline()
        assert f"{node} is in use by python" in systemd.describe(degraded | {"MainPID": "1"})
        assert "in use" not in systemd.describe(RUNNING | {"MainPID": "1"})
        assert "in use" not in systemd.describe(degraded | {"MainPID": str(other.pid)})
        other.communicate(b"\n")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a root folder that the tests may install into, and a systemctl that does nothing."""
    monkeypatch.setattr(install, "require_root", lambda: None)
    monkeypatch.setattr(systemd, "show", lambda: RUNNING)
    monkeypatch.setattr(systemd, "systemctl", lambda *words, stop=None: "")
    monkeypatch.setattr(settings_file, "make_group", lambda stop, root: False)  # test_settings_file makes it
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
    made = [places.unit, places.drop_ins / doors.FILES["stream"], *(p / "x" for p in places.state[1:])]
    kept = [places.settings, places.logs[1] / "results.jsonl"]
    users = [places.drop_ins / "mine.conf", places.settings.with_name("my.tflite")]
    for file in [*made, *kept, *users]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(OURS)
    made[1].write_text(doors.drop_ins([Need("stream", "[camera] source", "")])[made[1].name])
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
        install._write(places.unit, b"[Service]\nExecStart=/opt/edge-app/bin/edge-app run")
        install._write(places.settings, b"mine")
    before = {path: path.is_symlink() or path.read_bytes() for path in files(places)}
    done: list[str] = []

    def systemctl(*words: str, stop: threading.Event | None = None) -> str:
        done.append(words[0])
        if words[0] == failing and done.count(failing) == 1:
            raise RunError("it does not")
        return ""

    monkeypatch.setattr(systemd, "systemctl", systemctl)
    monkeypatch.setattr(systemd, "show", lambda: RUNNING if was_there else {"ActiveState": "inactive"})
    monkeypatch.setattr(building, "build", lambda settings, link, own, stop: environments.create(link))
    with pytest.raises(RunError, match="it does not"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert {path: path.is_symlink() or path.read_bytes() for path in files(places)} == before
    assert not was_there or places.environment.resolve().name == "edge-app-env-1"
    assert (done[-1] == "restart") == was_there
    assert ("disable" in done and "stop" in done) != was_there


def test_a_failed_installation_undoes_only_what_it_wrote(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that the user edits during the long build stay as edited, whether they existed before or not."""

    def build(settings: ServiceInstall, link: Path, own: Path, stop: threading.Event) -> Path:
        install._write(places.settings, b"edited meanwhile")
        return environments.create(link)

    monkeypatch.setattr(building, "build", build)
    monkeypatch.setattr(systemd, "systemctl", refusing("restart"))
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
    paths = {"unit": places.unit, "drop-in": places.drop_ins / doors.FILES["stream"], "settings": places.settings}
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


def test_what_the_user_made_stays_where_install_and_systemd_have_something(places: Places) -> None:
    """A real log folder, an empty folder of drop-ins and a foreign unit are not ours, even with --purge."""
    mine = [places.logs[0] / "results.jsonl", places.settings.with_name("my.tflite"), places.unit]
    for file in mine:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("[Service]\nExecStart=/home/me/edge-app\n")
    places.drop_ins.mkdir()
    assert install.uninstall(is_purging=True, places=places) == []
    assert files(places) == set(mine) and places.drop_ins.is_dir()


@pytest.mark.parametrize("content", [b"", b"\xff\x00 rubbish", b"[Service]\nExecStart=/bin/true\n"])
def test_a_unit_that_is_not_ours_is_neither_replaced_nor_removed(
    content: bytes, places: Places, caplog: pytest.LogCaptureFixture
) -> None:
    """Install refuses before the build, uninstall leaves it and says so."""
    install._write(places.unit, content)
    with pytest.raises(RunError, match="is in the way: edge-app did not make it"):
        install.install(ServiceInstall(), threading.Event(), places)
    install.uninstall(is_purging=False, places=places)
    assert places.unit.read_bytes() == content
    assert f"left {places.unit}: edge-app did not make it" in caplog.text


def built(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `install` have an environment without building one."""
    monkeypatch.setattr(building, "build", lambda settings, link, own, stop: environments.create(link))


def test_changes_to_our_unit_are_kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer version and an uninstallation keep what the user wrote into it, under names that systemd ignores."""
    built(places, monkeypatch)
    install.install(ServiceInstall(), threading.Event(), places)
    assert places.unit.read_text() == OURS
    places.unit.write_text(OURS + "# mine\n")
    install.install(ServiceInstall(), threading.Event(), places)
    assert places.unit.read_text() == OURS
    assert places.unit.with_name("edge-app.service.yours").read_text() == OURS + "# mine\n"
    places.unit.write_text(OURS + "# mine, too\n")
    install.uninstall(is_purging=False, places=places)
    assert places.unit.with_name("edge-app.service.yours1").read_text() == OURS + "# mine, too\n"
    assert not places.unit.exists()


def test_a_full_disk_does_not_keep_the_old_version_away(
    places: Places, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Putting back moves what was kept: it writes nothing."""
    built(places, monkeypatch)
    old = finished(places)
    older = OURS.replace("WatchdogSec=30", "WatchdogSec=31")
    install._write(places.unit, older.encode())
    with contextlib.ExitStack() as disk:

        def systemctl(*words: str, stop: threading.Event | None = None) -> str:
            if words[0] == "restart" and places.unit.read_text() == OURS:
                disk.enter_context(largest_file(0))
                raise RunError("it does not start")
            return ""

        monkeypatch.setattr(systemd, "systemctl", systemctl)
        with pytest.raises(RunError, match="^it does not start$"):
            install.install(ServiceInstall(), threading.Event(), places)
    assert places.environment.resolve() == old and places.unit.read_text() == older
    assert [path.name for path in places.environment.parent.iterdir()] == [places.environment.name, old.name]
    assert "the version before is back, and runs" in caplog.text


def test_what_cannot_be_put_back_is_said_and_kept(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names each file and each service that could not be restored, and where the old file is."""
    built(places, monkeypatch)
    finished(places)
    older = OURS.replace("WatchdogSec=30", "WatchdogSec=31")
    install._write(places.unit, older.encode())
    monkeypatch.setattr(systemd, "systemctl", refusing("restart"))

    def refuse(kept: Path, path: Path) -> None:
        if path == places.unit:
            raise OSError(errno.EROFS, "Read-only file system")
        kept.replace(path)

    monkeypatch.setattr(environments, "put_back", refuse)
    with pytest.raises(RunError) as caught:
        install.install(ServiceInstall(), threading.Event(), places)
    lines = caught.value.lines
    assert lines[:2] == ("it does not", f"cannot restore {places.unit}: Read-only file system")
    assert lines[2] == "cannot start the version before: it does not"
    kept = Path(lines[3].removeprefix("make room, then move back what was kept: ").split(" to ")[0])
    assert kept.read_text() == older


def test_an_old_version_that_does_not_start_again_is_said(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody believes that it runs; nothing of the new version is left."""
    built(places, monkeypatch)
    old = finished(places)
    monkeypatch.setattr(systemd, "systemctl", refusing("restart"))
    with pytest.raises(RunError, match="it does not\ncannot start the version before: it does not\nsee: journalctl"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert sorted(places.environment.parent.iterdir()) == [places.environment, old]


def test_uninstall_goes_on_after_what_cannot_be_removed(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that systemd cannot disable, and a folder that is mounted, do not keep the rest; both are said."""
    built(places, monkeypatch)
    install.install(ServiceInstall(), threading.Event(), places)
    for link, folder in (places.logs,):
        folder.mkdir(parents=True)
        link.symlink_to(folder)
    monkeypatch.setattr(systemd, "systemctl", refusing("disable"))
    monkeypatch.setattr(environments, "_mounts", lambda: [places.logs[1]])
    with pytest.raises(RunError) as caught:
        install.uninstall(is_purging=True, places=places)
    assert caught.value.lines[:2] == (
        "cannot stop and disable the service: it does not",
        f"cannot remove {places.logs[1]}: something is mounted in it",
    )
    assert files(places) == set() and list(places.environment.parent.iterdir()) == []


@pytest.mark.parametrize("state", ["masked", "bad-setting", "error"])
def test_a_unit_that_systemd_does_not_load_is_not_called_absent(state: str) -> None:
    """The status says what systemd says of a masked or mangled unit."""
    assert f"systemd does not load edge-app.service ({state})" in systemd.describe({"LoadState": state})


def test_a_foreign_unit_is_told_by_what_it_starts() -> None:
    """Odd answers do not end the status with a traceback either."""
    odd = RUNNING | {"NRestarts": "[not set]", "MainPID": "", "ExecStart": "{ path=/home/me/edge-app ; }"}
    assert "this edge-app.service is not edge-app's" in systemd.describe(odd)
    ours = RUNNING | {"ExecStart": "{ path=/opt/edge-app/bin/edge-app ; }"}
    assert "not edge-app's" not in systemd.describe(ours)
