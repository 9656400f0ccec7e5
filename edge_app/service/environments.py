"""The service's environments in /opt, and how to tell them and their files from others; `building` fills them.

An environment holds two files of ours: the marker, from the first moment, and a list of all that was put into it, from
the last. Without the list it is half-made: it was never in use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import json
import logging
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_app.errors import Interrupted, RunError
from edge_app.system import files

log = logging.getLogger(__name__)

MARKER = ".edge-app-environment"
LIST = ".edge-app-files"
SCRATCH = ".edge-app-scratch"  # what only an installation in progress needs
_NEW_LINK = ".edge-app-link"
_NAME = re.compile(r"edge-app-env-[1-9][0-9]*")
_DRAFT = ".edge-app-env-draft"  # a folder that does not hold its marker yet
_EARLIER_NAME = re.compile(r"edge-app-[0-9]{8}T[0-9]{6}")  # From before markers existed; holds the local time.
# What venv and pip put into an environment that has no list. Anything else there belongs to the user.
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
    new = folder / _NEW_LINK  # in there and not in /opt, where a file of that name might be the user's
    # Relative, because `linked` accepts only a bare name as a target of ours.
    new.symlink_to(folder.name)
    put_back(new, link)


def put_back(kept: Path, path: Path) -> None:
    """Move a file or link to a path, whatever is there; it is on the disk when this returns.

    Raises:
        OSError: it cannot be moved.
    """
    kept.replace(path)
    files.sync_folder(path.parent)


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
    if path.lstat().st_uid != os.geteuid() or marker.is_symlink() or not marker.is_file():
        return False
    with marker.open("rb") as file:
        return file.readline(len(path.name) + 2).rstrip(b"\n") == path.name.encode()


ROOM = "check that the disk has room and can be written to"


def create(link: Path) -> Path:
    """Make an empty folder for an environment next to the link, with the marker that says it is ours.

    It gets the first free number, not a time: many boards have no clock that keeps time without power.

    Raises:
        RunError: the folder cannot be made.
    """
    named = (link.with_name(f"edge-app-env-{number}") for number in itertools.count(1))
    folder = next(path for path in named if not os.path.lexists(path))
    clear_draft(link)
    draft = link.with_name(_DRAFT)
    try:
        draft.mkdir()
        try:
            # The marker reaches the disk first: after a power cut, the next install must know that the folder is ours.
            files.write(draft / MARKER, f"{folder.name}\n{_EXPLAINED}\n")
            draft.rename(folder)
        except OSError:
            clear_draft(link)
            raise
    except OSError as error:
        raise RunError(f"cannot make {folder}: {error.strerror}", ROOM) from error
    return folder


_EXPLAINED = "Made by 'edge-app service install', removed by the next one and by 'uninstall'."


def clear_draft(link: Path) -> None:
    """Remove what is left of a folder that was killed before its marker was complete.

    Raises:
        RunError: something that edge-app did not make is in its place.
    """
    draft = link.with_name(_DRAFT)
    if not os.path.lexists(draft):
        return
    try:
        for path in draft.iterdir():
            if path.name == MARKER or files.is_temporary(path):
                path.unlink()
        draft.rmdir()
    except OSError as error:
        raise RunError(f"{draft} is in the way: edge-app did not make it", "move it elsewhere") from error


def finish(folder: Path) -> None:
    """List all that is in an environment, so that later files can be told from these; all of it is on the disk then.

    Raises:
        RunError: the list cannot be written.
    """
    found = {name: _traits(folder / name) for name in _names(folder)}
    try:
        files.write(folder / LIST, json.dumps(found))
    except OSError as error:
        raise RunError(f"cannot write in {folder}: {error.strerror}", ROOM) from error
    os.sync()  # a power cut after the switch must not find a link to files that were never written


def _names(folder: Path) -> Iterator[str]:
    """Yield the relative path of all that is in a folder, contents before their folder; links are not followed."""
    for place, folders, names in os.walk(folder, topdown=False):
        yield from (str(Path(place, name).relative_to(folder)) for name in (*names, *folders))


def _traits(path: Path) -> list[int | str]:
    """Return by what a file, link or folder is recognised: it is another one, or was changed, if these differ."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return ["link", str(path.readlink())]
    return ["folder"] if stat.S_ISDIR(found.st_mode) else [found.st_size, found.st_mtime_ns]


def _listed(folder: Path) -> dict[str, list[int | str]] | None:
    """Return the list of an environment's files; None if it is half-made, empty if the list is damaged."""
    try:
        found = json.loads((folder / LIST).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def discard(folder: Path) -> None:
    """Remove a new environment that was never in use, as far as possible."""
    shutil.rmtree(folder, ignore_errors=True)


def remove(folder: Path) -> bool:
    """Remove an environment of ours, except what neither venv nor pip put there, and what was changed since.

    Returns:
        Whether it is gone; if not, a message names what is left and why.
    """
    try:
        _require_unmounted(folder)
        _remove_made(folder, _listed(folder))
        left = [name for name in sorted(_names(folder)) if name not in (MARKER, LIST) and not _holds(folder / name)]
        if left:
            say(f"left {folder}: it holds {_first(left)}, which edge-app did not make")
            return False
        for name in (LIST, MARKER):  # Last: after an interruption, the next install finds the marker and goes on.
            delete(folder / name)
        folder.rmdir()
    except OSError as error:
        say(f"cannot remove {folder}: {error.strerror}; remove it by hand")
        return False
    return True


def _remove_made(folder: Path, listed: Mapping[str, list[int | str]] | None) -> None:
    for path in [folder / SCRATCH, folder / _NEW_LINK, *filter(files.is_temporary, folder.iterdir())]:
        delete(path)
    if listed is None:
        for name in _MADE:
            delete(folder / name)
        return
    for name in _names(folder):
        path = folder / name
        # Python may have written bytecode later, when root ran the program.
        is_bytecode = path.suffix == ".pyc" and path.parent.name == "__pycache__"
        if name in (MARKER, LIST) or not (is_bytecode or listed.get(name) == _traits(path)):
            continue
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        elif not _holds(path):
            path.rmdir()


def _holds(path: Path) -> bool:
    """Say whether a path is a folder with something in it."""
    return path.is_dir() and not path.is_symlink() and any(path.iterdir())


def _first(names: list[str], count: int = 3) -> str:
    others = f" and {len(names) - count} more" if len(names) > count else ""
    return f"{', '.join(names[:count])}{others}"


def delete(path: Path) -> bool:
    """Remove a file, a link or a whole folder; return whether it existed.

    Raises:
        OSError: it cannot be removed, or something is mounted in the folder, which would be emptied too.
    """
    # Links first: `is_dir` follows them, and rmtree refuses a link to a folder.
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        _require_unmounted(path)
        shutil.rmtree(path)
    else:
        return False
    return True


def _require_unmounted(folder: Path) -> None:
    if any(mount.is_relative_to(folder.resolve()) for mount in _mounts()):
        raise OSError(errno.EBUSY, "something is mounted in it")


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
