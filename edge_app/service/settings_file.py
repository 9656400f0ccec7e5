"""The settings file may hold passwords: only root and the service read it, as members of a group of its own.

The service's user exists only while it runs, so the file cannot belong to it; a group in `SupplementaryGroups=` can.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import logging
import os
import shutil
import stat
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_app.errors import Interrupted, RunError
from edge_app.system import process

log = logging.getLogger(__name__)

GROUP = "edge-app-settings"
MODE = 0o640
_ROOT = Path("/")
_LIMIT_S = 60.0
# Not the caller's PATH, which may hold anything; this runs as root.
_FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin"


@contextlib.contextmanager
def group(stop: threading.Event, root: Path = _ROOT) -> Iterator[None]:
    """Have the group while the service starts; if that fails, remove a new one again. See `make_group`."""
    is_new = make_group(stop, root)
    try:
        yield
    except BaseException:
        if is_new:
            with contextlib.suppress(RunError):
                remove_group(threading.Event(), root)  # not `stop`: it may be set
        raise


def make_group(stop: threading.Event, root: Path = _ROOT) -> bool:
    """Make the group unless it exists; systemd does not start a unit whose groups do not.

    Args:
        stop: set to give up.
        root: of the file system.

    Returns:
        Whether it was made.

    Raises:
        RunError: the system has no tool for it, or the tool failed.
        Interrupted: `stop` was set.
    """
    if _gid(root) is not None:
        return False
    # Every system with systemd has the first; Debian's installer of packages uses either.
    _run(
        (
            ["systemd-sysusers", *([f"--root={root}"] if root != _ROOT else []), "--inline", f"g {GROUP} -"],
            ["groupadd", *(["--prefix", str(root)] if root != _ROOT else []), "--system", GROUP],
        ),
        stop,
    )
    if _gid(root) is None:
        raise RunError(f"the group {GROUP} was made but is not there", f"run: sudo groupadd --system {GROUP}")
    return True


def remove_group(stop: threading.Event, root: Path = _ROOT) -> None:
    """Remove the group if it exists.

    Raises:
        RunError: it cannot be removed.
        Interrupted: `stop` was set.
    """
    if _gid(root) is not None:
        _run((["groupdel", *(["--prefix", str(root)] if root != _ROOT else []), GROUP],), stop)


def protect(path: Path, root: Path = _ROOT) -> None:
    """Let only root and the service read the settings; say so if others could before.

    A file that root does not own, or a link, is somebody's own arrangement, and left; so is one that only root and
    another group may read.

    Args:
        path: the settings file.
        root: of the file system; its group must exist.

    Raises:
        RunError: owner or mode cannot be changed.
    """
    try:
        # O_NOFOLLOW, and the descriptor from here on: nobody can put another file in its place in between.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise _unprotected(path, error) from error
        return
    try:
        _tighten(descriptor, path, _gid(root))
    except OSError as error:
        raise _unprotected(path, error) from error
    finally:
        os.close(descriptor)


def _tighten(descriptor: int, path: Path, gid: int | None) -> None:
    found = os.fstat(descriptor)
    was_open = bool(found.st_mode & stat.S_IROTH)
    if gid is None or not stat.S_ISREG(found.st_mode) or found.st_uid != 0 or (not was_open and found.st_gid != 0):
        return
    try:
        os.fchown(descriptor, -1, gid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A user namespace without this group (user_namespaces(7)). No systemd runs there that could start the service.
        log.warning("%s: its group cannot be %s in this user namespace", path, GROUP)
    os.fchmod(descriptor, MODE)
    if was_open:
        log.warning("only root and the service can read %s from now on: it may hold passwords", path)


def _unprotected(path: Path, error: OSError) -> RunError:
    return RunError(
        f"cannot keep other users from reading {path}: {error.strerror}", f"run: sudo chgrp {GROUP} {path}, chmod 640"
    )


def _gid(root: Path) -> int | None:
    if root == _ROOT:
        try:
            return grp.getgrnam(GROUP).gr_gid
        except KeyError:
            return None
    return next((gid for name, gid in _groups(root / "etc" / "group") if name == GROUP), None)


def _groups(file: Path) -> Iterator[tuple[str, int]]:
    """Yield names and numbers of the groups of another root; group(5)."""
    for line in file.read_text().splitlines() if file.exists() else ():
        name, _, rest = line.partition(":")
        yield name, int(rest.split(":")[1])


def _run(commands: Sequence[Sequence[str]], stop: threading.Event) -> None:
    """Run the first of the programs that is installed."""
    for name, *words in commands:
        program = shutil.which(name, path=_FOLDERS)
        if program:
            ended = process.run_child(
                [program, *words], stop, _LIMIT_S, environment={"PATH": _FOLDERS, "LANG": "C.UTF-8"}
            )
            if ended.code is None and stop.is_set():
                raise Interrupted("interrupted: everything is as it was before", "run the same command again")
            if ended.code:
                last = (ended.said.strip() or f"exit code {ended.code}").splitlines()[-1]
                raise RunError(f"{name} failed for the group {GROUP}: {last}", "is /etc writable?")
            return
    names = " nor ".join(name for name, *_ in commands)
    raise RunError(f"neither {names} is installed" if len(commands) > 1 else f"{names} is not installed", _INSTALL)


_INSTALL = "run: sudo apt install passwd"
