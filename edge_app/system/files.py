"""The one way to write a file that matters: after a crash, a full disk or a power cut it is the old one or the new one.

The new content is written beside the file, the disk is made to keep it, it takes the file's place, and the disk is made
to keep that too (rename(2), fsync(2): a new name is safe only when its folder has been synced).
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}


def write(path: Path, content: str | bytes) -> None:
    """Replace a file, or make it; text is written as UTF-8. See `replacing`.

    Raises:
        OSError: it cannot be written; what was there stays. `filename` is the path given.
    """
    with replacing(path) as (file,), _blaming(path):
        file.write(content if isinstance(content, bytes) else content.encode())


@contextmanager
def replacing(*paths: Path) -> Iterator[list[BinaryIO]]:
    """Give a file to write for each path; when the block ends well, they take their places in the order given.

    All of them are on the disk before the first takes its place. When the block or the disk fails, or the process is
    interrupted, what was there stays and nothing is left beside it; only a process that is killed leaves its unfinished
    file, `.edge-app-` and a random number, which no other process touches.

    A new file gets the permissions of any file that this user makes, a replaced one keeps its own, and its owner where
    this user may give files away. Of a symbolic link the file that it leads to is replaced. A pipe or device takes the
    content directly.

    Raises:
        OSError: one of them cannot be written; `filename` is its path as it was given.
    """
    with ExitStack() as cleanup:
        drafts = [_begin(path, cleanup) for path in paths]
        yield [draft.file for draft in drafts]
        for draft in drafts:
            with _blaming(draft.path):
                draft.finish()
        for draft in drafts:
            with _blaming(draft.path):
                draft.take_place()
        for folder in {draft.target.parent for draft in drafts if draft.name}:
            _sync_folder(folder)


def check(path: Path) -> None:
    """See whether `replacing` could begin to write a path; nothing is changed.

    Raises:
        OSError: it could not.
    """
    target = _target(path)
    if target is not None:
        with ExitStack() as cleanup:
            _open_beside(path, target, cleanup)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A file on its way.

    Attributes:
        path: as the caller names it.
        target: what will be replaced: `path` with all links followed.
        name: where it is written; None where the target takes it directly.
        file: open for writing.
    """

    path: Path
    target: Path
    name: Path | None
    file: BinaryIO

    def finish(self) -> None:
        self.file.flush()
        if self.name:
            os.fsync(self.file.fileno())
        self.file.close()

    def take_place(self) -> None:
        if self.name:
            self.name.replace(self.target)


def _begin(path: Path, cleanup: ExitStack) -> _Draft:
    with _blaming(path):
        target = _target(path)
        if target is not None:
            return _open_beside(path, target, cleanup)
        descriptor = _own_descriptor(path)
        file = path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")
        cleanup.callback(_close, file)
        return _Draft(path, path, None, file)


def _target(path: Path) -> Path | None:
    """Return the ordinary file that a path leads to, there already or not; None for a pipe, a device or a descriptor.

    Raises:
        OSError: it is a folder, or links that lead nowhere.
    """
    if _own_descriptor(path) is not None:
        return None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path.resolve()
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.resolve() if stat.S_ISREG(mode) else None


def _own_descriptor(path: Path) -> int | None:
    """Return which descriptor of this process a path stands for, if it does.

    What the shell opened for us is written to as it is: replaced, it would be a file that nobody looks at.
    """
    number = path.name if str(path.parent) in ("/dev/fd", "/proc/self/fd") else ""
    return int(number) if number.isdecimal() else _STANDARD.get(str(path))


def _open_beside(path: Path, target: Path, cleanup: ExitStack) -> _Draft:
    name = target.with_name(f".edge-app-{secrets.token_hex(8)}")  # as short for a long name; never another's
    cleanup.callback(_remove, name)  # before it is there: an interrupt may come in between
    with _blaming(path):
        file = name.open("xb")
        cleanup.callback(_close, file)
        with suppress(FileNotFoundError):
            _take_after(file.fileno(), target.stat())
    return _Draft(path, target, name, file)


def _take_after(descriptor: int, old: os.stat_result) -> None:
    """Give a new file the owner, where that is allowed, and the permissions of the one it replaces."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Let an error name the file as the caller does, whatever it happened to."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # may be written to, not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # fsync(2): this file system has nothing to sync for a folder
            raise
    finally:
        os.close(descriptor)


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # what is still in its buffer is not wanted any more
        file.close()


def _remove(name: Path) -> None:
    with suppress(OSError):
        name.unlink()
