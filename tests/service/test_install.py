"""Installing the service. That it runs is shown on a real machine, tests/vm/test_service.py; here what goes before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_app.errors import DependencyMissing, RunError
from edge_app.service import install
from edge_app.service.install import Places
from edge_app.system import v4l2
from tests.conftest import ROOT
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
    """A service that waits for a camera cannot see who has it; its status can. Itself it does not name."""
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


def test_a_link_is_switched_and_a_foreign_folder_is_not(tmp_path: Path) -> None:
    """The link to the environment points to the new one at once; a real folder of that name is left alone."""
    for name in ("edge-app-1", "edge-app-2"):
        (tmp_path / name).mkdir()
        install._switch(tmp_path / "edge-app", tmp_path / name)
        assert (tmp_path / "edge-app").resolve() == tmp_path / name
    (tmp_path / "other").mkdir()
    with pytest.raises(RunError, match="other is in the way"):
        install._switch(tmp_path / "other", tmp_path / "edge-app-1")


def test_a_checkout_is_built_from_a_copy(tmp_path: Path) -> None:
    """Building as root leaves nothing in the user's checkout; a wheel is taken as it is."""
    copy = install._unspoilt(ROOT, tmp_path)
    assert copy != ROOT and (copy / "setup.py").exists() and (copy / "systemd" / install.UNIT).exists()
    assert not (copy / ".git").exists()
    wheel = tmp_path / "edge_app-0.1.0-py3-none-any.whl"
    wheel.touch()
    assert install._unspoilt(wheel, tmp_path) == wheel


def test_pip_hears_of_the_wheel_folder_and_of_the_users_settings(tmp_path: Path) -> None:
    """Offline everything comes from the folder; under sudo the settings of whoever typed it count."""
    command = install.pip_command(tmp_path, tmp_path / "x.whl", tmp_path / "wheels", "[headless]")
    assert command[-4:-1] == ["--no-index", "--find-links", str(tmp_path / "wheels")]
    assert command[-1] == f"edge-app[headless] @ file://{tmp_path}/x.whl"
    assert "--no-index" not in install.pip_command(tmp_path, tmp_path / "x.whl", None, "")
    assert install.pip_environment({"PATH": "/bin"}) == {"PATH": "/bin"}
    assert install.pip_environment({"SUDO_USER": "nobody-of-that-name"}) == {"SUDO_USER": "nobody-of-that-name"}


def test_an_interpreter_at_home_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """ProtectHome= hides /home and /root: an interpreter there would not start."""
    monkeypatch.setattr(install, "PRIVATE_HOMES", ("/",))
    with pytest.raises(DependencyMissing, match="a service may not look"):
        install.choose_python()


def test_it_knows_where_it_came_from() -> None:
    """Run from a checkout, that is what it would install."""
    assert install.origin() == ROOT


def test_uninstalling_leaves_nothing_but_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that an installation makes is removed, what the user put beside it stays, logs go only with --purge."""
    monkeypatch.setattr(install, "require_root", lambda: None)
    monkeypatch.setattr(install, "systemctl", lambda *_: "")
    places = Places(tmp_path)
    made = [places.unit, places.drop_ins / install.DROP_IN, places.settings, *(p / "x" for p in places.state[1:])]
    made += [places.environment.with_name("edge-app-1") / "bin" / "edge-app", places.logs[1] / "results.jsonl"]
    users = places.drop_ins / "mine.conf"
    for file in [*made, users]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    places.environment.symlink_to("edge-app-1")
    places.logs[0].symlink_to(places.logs[1])
    install.uninstall(is_purging=False, places=places)
    left = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if not path.is_dir() or path.is_symlink()}
    assert left == {p.relative_to(tmp_path) for p in (users, places.logs[0], made[-1])}
    install.uninstall(is_purging=True, places=places)
    assert [path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()] == [users]
    assert list(places.environment.parent.iterdir()) == []
