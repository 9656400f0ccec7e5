"""The service's environments in /opt, and how to tell them from other folders there; `building` fills them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

from edge_app.errors import Interrupted, RunError
from edge_app.system import files

log = logging.getLogger(__name__)

MARKER = ".edge-app-environment"
_NAME = re.compile(r"edge-app-env-([0-9]+)")
_EARLIER_NAME = re.compile(r"edge-app-[0-9]{8}T[0-9]{6}")  # From before markers existed; holds the local time.
# What venv and pip put into an environment. Anything else there belongs to the user.
_MADE = ("bin", "include", "lib", "lib64", "share", "etc", "man", "pyvenv.cfg", ".gitignore")
_LOCK_POLL_S = 0.25


@contextlib.contextmanager
def locked(folder: Path, stop: threading.Event) -> Iterator[None]:
    """Let one process at a time change the environments in a folder; wait for others to finish.

    The lock is on the folder itself, so that not even a power cut leaves a lock file behind.

    Args:
        folder: created if missing.
        stop: set to stop waiting.

    Raises:
        Interrupted: `stop` was set while waiting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        is_announced = False
        while not _lock(descriptor):
            if not is_announced:
                say("waiting for another 'edge-app service' command to end")
            is_announced = True
            if stop.wait(_LOCK_POLL_S):
                raise Interrupted(
                    "interrupted while waiting for another 'edge-app service' command", "let that one end first"
                )
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def linked(link: Path) -> Path | None:
    """Return the environment that the link points to; None if there is no link, or install did not make its target."""
    try:
        target = str(link.readlink())
    except OSError:
        return None
    is_ours = _NAME.fullmatch(target) or _EARLIER_NAME.fullmatch(target)
    return link.with_name(target) if is_ours else None


def require_free(link: Path) -> None:
    """Refuse to go on if something that install did not make is in the link's place.

    Raises:
        RunError: something is.
    """
    if os.path.lexists(link) and linked(link) is None:
        raise RunError(f"{link} is in the way: edge-app did not make it", "move it elsewhere")


def switch(link: Path, folder: Path) -> None:
    """Point the link to a folder next to it, atomically: the link exists at every moment.

    Raises:
        RunError: something that edge-app did not make is in the way.
    """
    require_free(link)
    new = link.with_name(f".{link.name}-new")
    new.unlink(missing_ok=True)
    # Relative, because `linked` accepts only a bare name as a target of ours.
    new.symlink_to(folder.name)
    new.replace(link)


def own(link: Path) -> list[Path]:
    """Return every folder next to the link that install certainly made, half-made ones included.

    A folder is ours if it is not a link, has an exact name, and its marker holds that name; a copy under another name
    is not. An environment from before the marker is ours if the link points to it and it holds venv's and pip's files.
    """
    found = [path for path in sorted(link.parent.glob("edge-app-env-*")) if _is_marked(path)]
    used = linked(link)
    if used and _EARLIER_NAME.fullmatch(used.name) and _is_folder(used):
        found += [used] if (used / "pyvenv.cfg").is_file() and (used / "bin" / "edge-app").is_file() else []
    return found


def doubtful(link: Path) -> list[Path]:
    """Return folders named like an earlier version's environments that may still be the user's own."""
    named = (path for path in sorted(link.parent.glob("edge-app-*")) if _EARLIER_NAME.fullmatch(path.name))
    return [path for path in named if _is_folder(path) and path not in own(link)]


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode)


def _is_marked(path: Path) -> bool:
    if not _NAME.fullmatch(path.name) or not _is_folder(path):
        return False
    marker = path / MARKER
    return not marker.is_symlink() and marker.is_file() and marker.read_bytes().split(b"\n")[0] == path.name.encode()


_ROOM = "check that the disk has room and can be written to"


def create(link: Path) -> Path:
    """Make an empty folder for an environment next to the link, with the marker that says it is ours.

    It gets the next free number, not a time: many boards have no clock that keeps time without power.

    Raises:
        RunError: the folder cannot be made.
    """
    taken = [int(match[1]) for path in link.parent.iterdir() if (match := _NAME.fullmatch(path.name))]
    for number in itertools.count(max(taken, default=0) + 1):
        folder = link.with_name(f"edge-app-env-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as error:
            raise RunError(f"cannot make {folder}: {error.strerror}", _ROOM) from error
        try:
            _mark(folder)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise RunError(f"cannot write in {folder}: {error.strerror}", _ROOM) from error
        return folder
    raise AssertionError("unreachable: there are always more numbers")


def _mark(folder: Path) -> None:
    # The marker reaches the disk first: after a power cut, the next install must know that the folder is ours.
    text = f"{folder.name}\nMade by 'edge-app service install', removed by the next one and by 'uninstall'.\n"
    files.write(folder / MARKER, text)


def remove(folder: Path) -> bool:
    """Remove an environment of ours, except files that neither venv nor pip put there.

    Returns:
        Whether it is gone; if not, a message names what is left and why.
    """
    try:
        strangers = sorted(path.name for path in folder.iterdir() if path.name not in (*_MADE, MARKER))
        for name in _MADE:
            delete(folder / name)
        if strangers:
            say(f"left {folder}: it holds {', '.join(strangers)}, which edge-app did not make")
            return False
        delete(folder / MARKER)  # Last: after an interruption, the next install finds the marker and goes on.
        folder.rmdir()
    except OSError as error:
        say(f"cannot remove {folder}: {error.strerror}; remove it by hand")
        return False
    return True


def delete(path: Path) -> bool:
    """Remove a file, a link or a whole folder; return whether it existed.

    Raises:
        OSError: it cannot be removed, or something is mounted in the folder, which would be emptied too.
    """
    # Links first: `is_dir` follows them, and rmtree refuses a link to a folder.
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        if any(mount.is_relative_to(path.resolve()) for mount in _mounts()):
            raise OSError(errno.EBUSY, "something is mounted in it")
        shutil.rmtree(path)
    else:
        return False
    return True


def _mounts() -> list[Path]:
    """Return every mount point (proc_pid_mountinfo(5): the fifth field, with spaces and the like in octal)."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    return [Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4])) for line in lines]


def say(text: str) -> None:
    """Show the user the progress of an install or uninstall."""
    # Not `info`: that would be hidden without --verbose, and a build takes minutes.
    log.warning("%s", text)
