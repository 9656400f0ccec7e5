"""Who can read the service's settings."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from edge_app.errors import Interrupted, RunError
from edge_app.service import settings_file
from edge_app.service.settings_file import GROUP

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
