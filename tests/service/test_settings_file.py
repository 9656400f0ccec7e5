"""Who can read the service's settings."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from edge_app.errors import Interrupted, RunError
from edge_app.service import building, environments, install, settings_file, systemd
from edge_app.service.install import Places
from edge_app.service.settings_file import GROUP
from edge_app.settings.flags.service import ServiceInstall

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
TOOLS = [name for name in ("systemd-sysusers", "groupadd") if shutil.which(name, path=settings_file._FOLDERS)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make the root of a file system with a user database, as Debian has it."""
    etc = tmp_path / "etc"
    etc.mkdir()
    for name, line in {"group": "root:x:0:", "passwd": "root:x:0:0:root:/root:/bin/sh", "gshadow": "root:*::"}.items():
        (etc / name).write_text(f"{line}\n")
    (etc / "login.defs").write_text("SYS_GID_MIN 101\nSYS_GID_MAX 999\n")
    return tmp_path


def settings(root: Path, mode: int) -> Path:
    """Make a settings file."""
    path = root / "etc" / "config.toml"
    path.write_text("[camera]\n")
    path.chmod(mode)
    return path


def rights(path: Path) -> tuple[int, int]:
    """Return a file's mode and group."""
    found = path.stat()
    return stat.S_IMODE(found.st_mode), found.st_gid


@needs_root
@pytest.mark.parametrize("tool", TOOLS)
def test_the_group_comes_and_goes(tool: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either of the system's tools makes it, once; purging removes it."""
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, path: None if name in {*TOOLS} - {tool} else which(name, path=path)
    )
    stop = threading.Event()
    assert settings_file.make_group(stop, root)
    gid = settings_file._gid(root)
    assert gid is not None and 0 < gid < 1000
    assert not settings_file.make_group(stop, root)
    assert (root / "etc" / "group").read_text().count(GROUP) == 1
    settings_file.remove_group(stop, root)
    settings_file.remove_group(stop, root)
    assert GROUP not in (root / "etc" / "group").read_text()


@needs_root
def test_an_installation_that_fails_leaves_no_group(root: Path) -> None:
    """A group that was there before stays; a new one goes with the installation."""
    for was_there in (False, True):
        with pytest.raises(KeyError), settings_file.group(threading.Event(), root):
            assert settings_file._gid(root)
            raise KeyError
        assert (settings_file._gid(root) is not None) == was_there
        settings_file.make_group(threading.Event(), root)


@needs_root
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o664, 0o640])
def test_only_root_and_the_service_read_the_settings(mode: int, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A new or older file of root becomes the group's too; it is said if others could read it."""
    settings_file.make_group(threading.Event(), root)
    path = settings(root, mode)
    settings_file.protect(path, root)
    assert rights(path) == (0o640, settings_file._gid(root))
    assert ("only root and the service can read" in caplog.text) == bool(mode & 0o004)
    caplog.clear()
    settings_file.protect(path, root)
    assert not caplog.text


@needs_root
def test_what_the_user_arranged_stays(root: Path) -> None:
    """A file of another owner or for another group, a link, and a missing file are left as they are."""
    settings_file.make_group(threading.Event(), root)
    path = settings(root, 0o644)
    os.chown(path, 1000, -1)
    settings_file.protect(path, root)
    assert rights(path) == (0o644, 0)
    os.chown(path, 0, 4)
    path.chmod(0o640)
    settings_file.protect(path, root)
    assert rights(path) == (0o640, 4)
    path.chmod(0o644)
    os.chown(path, 0, 0)
    link = path.with_name("link.toml")
    link.symlink_to(path)
    settings_file.protect(link, root)
    assert rights(path) == (0o644, 0)
    settings_file.protect(path.with_name("gone.toml"), root)


def test_without_a_tool_one_line_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that cannot make the group is told what it lacks, before anything is replaced."""
    monkeypatch.setattr(settings_file, "_FOLDERS", str(root))
    with pytest.raises(RunError, match="neither systemd-sysusers nor groupadd is installed; run: sudo apt"):
        settings_file.make_group(threading.Event(), root)


def test_a_tool_that_fails_is_quoted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tool said last is the reason; an interrupt ends it."""
    tool = root / "systemd-sysusers"
    tool.write_text("#!/bin/sh\necho 'Read-only file system' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(settings_file, "_FOLDERS", str(root))
    with pytest.raises(RunError, match=f"failed for the group {GROUP}: Read-only file system"):
        settings_file.make_group(threading.Event(), root)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        settings_file.make_group(stop, root)


@pytest.fixture
def places(root: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Make a root that the service is installed into, with a build and a systemctl that do nothing."""
    monkeypatch.setattr(install, "require_root", lambda: None)
    monkeypatch.setattr(systemd, "show", lambda: {"ActiveState": "active"})
    monkeypatch.setattr(systemd, "systemctl", lambda *words, stop=None: "")
    monkeypatch.setattr(building, "build", lambda settings, link, own, stop: environments.create(link))
    (root / "opt").mkdir()
    return Places(root)


@needs_root
@pytest.mark.parametrize("was_there", [True, False])
def test_install_protects_the_settings_and_purging_removes_the_group(was_there: bool, places: Places) -> None:
    """New and existing settings, however readable, are root's and the service's; the group goes with the settings."""
    if was_there:
        places.settings.parent.mkdir(parents=True)
        places.settings.write_text("[camera]\n")
        places.settings.chmod(0o644)
    install.install(ServiceInstall(), threading.Event(), places)
    assert rights(places.settings) == (0o640, settings_file._gid(places.root))
    assert f"SupplementaryGroups=video {GROUP}\n" in places.unit.read_text()
    install.uninstall(is_purging=False, places=places)
    assert rights(places.settings) == (0o640, settings_file._gid(places.root))
    install.uninstall(is_purging=True, places=places)
    assert settings_file._gid(places.root) is None


@needs_root
def test_a_start_that_fails_leaves_the_settings_readable_for_the_version_before(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old unit knows no group: its service must be able to read the file when it is started again."""
    places.settings.parent.mkdir(parents=True)
    places.settings.write_text("[camera]\n")
    places.settings.chmod(0o644)

    def systemctl(*words: str, stop: threading.Event | None = None) -> str:
        if words[0] == "enable":
            raise RunError("it does not", "nothing")
        return ""

    monkeypatch.setattr(systemd, "systemctl", systemctl)
    with pytest.raises(RunError, match="it does not"):
        install.install(ServiceInstall(), threading.Event(), places)
    assert rights(places.settings) == (0o644, 0)
    assert settings_file._gid(places.root) is None
