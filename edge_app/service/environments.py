"""The service's environments in /opt, told apart from what others keep there; `building` fills them."""

from __future__ import annotations

import contextlib
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
_NAME = re.compile(r"edge-app-env-([0-9]{1,9})")
_EARLIER_NAME = re.compile(r"edge-app-[0-9]{8}T[0-9]{6}")  # Before there were markers: the local time.
# What venv and pip put into an environment. Anything else in it belongs to somebody.
_MADE = ("bin", "include", "lib", "lib64", "share", "etc", "man", "pyvenv.cfg", ".gitignore")
_LOCK_POLL_S = 0.25


@contextlib.contextmanager
def locked(folder: Path, stop: threading.Event) -> Iterator[None]:
    """Let one process at a time change the environments in a folder; wait while another one does.

    The folder itself is locked: nothing is left behind, not even by a power cut.

    Args:
        folder: made if it is not there.
        stop: set to wait no longer.

    Raises:
        Interrupted: `stop` was set while waiting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        is_told = False
        while not _lock(descriptor):
            if not is_told:
                say("waiting for another 'edge-app service' command to end")
            is_told = True
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
    """Return the environment that the link points to; None if there is no link, or it is not one that install made."""
    try:
        target = str(link.readlink())
    except OSError:
        return None
    is_ours = _NAME.fullmatch(target) or _EARLIER_NAME.fullmatch(target)
    return link.with_name(target) if is_ours else None


def require_free(link: Path) -> None:
    """Refuse where something that install did not make stands in the place of the link.

    Raises:
        RunError: there is.
    """
    if os.path.lexists(link) and linked(link) is None:
        raise RunError(f"{link} is in the way: edge-app did not make it", "move it elsewhere")


def switch(link: Path, folder: Path) -> None:
    """Make a link point to a folder beside it at once: there is no moment without it.

    Raises:
        RunError: something that edge-app did not make is in the way.
    """
    require_free(link)
    new = link.with_name(f".{link.name}-new")
    new.unlink(missing_ok=True)
    new.symlink_to(folder.name)
    new.replace(link)


def own(link: Path) -> list[Path]:
    """Return every folder beside the link that install has certainly made, half-made ones included.

    Each is a real folder, with an exact name, whose marker names it: a copy that somebody made is not ours. Versions
    before the marker left one environment, the one linked to; its name and what venv and pip put there prove it.
    """
    found = [path for path in sorted(link.parent.glob("edge-app-env-*")) if _is_marked(path)]
    used = linked(link)
    if used and _EARLIER_NAME.fullmatch(used.name) and _is_folder(used):
        found += [used] if (used / "pyvenv.cfg").is_file() and (used / "bin" / "edge-app").is_file() else []
    return found


def doubtful(link: Path) -> list[Path]:
    """Return folders that are named as earlier versions named environments, but may be anybody's."""
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
    """Make an empty folder for an environment beside the link, with the marker that says it is ours.

    Its number is higher than any that is there, whoever made it; the clock, which a board may not have, plays no part.

    Raises:
        RunError: it cannot be made.
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
    # On the disk before anything else: a power cut must not leave a folder that nobody knows to be ours.
    text = f"{folder.name}\nMade by 'edge-app service install', removed by the next one and by 'uninstall'.\n"
    files.write(folder / MARKER, text)


def remove(folder: Path) -> bool:
    """Remove an environment that is our own, except files in it that neither venv nor pip put there.

    Returns:
        Whether it is gone; what is left, and why, is said.
    """
    try:
        strangers = sorted(path.name for path in folder.iterdir() if path.name not in (*_MADE, MARKER))
        for name in _MADE:
            delete(folder / name)
        if strangers:
            say(f"left {folder}: it holds {', '.join(strangers)}, which edge-app did not make")
            return False
        delete(folder / MARKER)  # Last: if this is cut short, the next install goes on with it.
        folder.rmdir()
    except OSError as error:
        say(f"cannot remove {folder}: {error.strerror}; remove it by hand")
        return False
    return True


def delete(path: Path) -> bool:
    """Remove a file, a link or a whole folder; return whether it was there."""
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        return False
    return True


def say(text: str) -> None:
    """Tell whoever installs what is going on."""
    log.warning("%s", text)
