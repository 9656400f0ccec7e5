"""Writes files atomically, and reads small ones whole.

After a crash, a full disk or a power cut, a file holds its old content or its new one.

The new content goes to a temporary file in the same folder, which is synced and renamed; then the folder is synced
(rename(2), fsync(2): a new name is safe only after its folder has been synced).
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SMALL_BYTES = 1 << 20  # a thousand labels take 20 kB, the longest card of a shipped model 6 kB
_PREFIX = ".edge-app-"
_RANDOM_BYTES = 8
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def write(path: Path, content: str | bytes) -> None:
    """Write a whole file, text as UTF-8. See `replacing`.

    Raises:
        OSError: it cannot be written; the old file stays. `filename` is the path given.
    """
    with replacing(path) as (file,), _blaming(path):
        file.write(content if isinstance(content, bytes) else content.encode())


def read_small(path: Path, most_bytes: int = SMALL_BYTES) -> bytes:
    """Read a whole file of settings, a card, labels and the like.

    Only a regular file is read: a pipe may never end, nor may a device such as /dev/zero. What this process was given
    as a descriptor, as by `<(...)` in a shell, is read whatever it is; /dev/null is an empty file.

    Raises:
        OSError: it cannot be read, is something else than a file, or is larger; `strerror` says which.
    """
    # A pipe without a writer would block the opening for ever.
    is_given = own_descriptor(path) is not None
    descriptor = os.open(path, os.O_RDONLY | (0 if is_given else os.O_NONBLOCK))
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not (stat.S_ISREG(mode) or is_given or str(path) == os.devnull):
            raise OSError(errno.EINVAL, "a pipe, socket or device, not a file", str(path))
        # One byte too many shows that the file is too large, even one that is still growing.
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes >> 20} MiB", str(path))
    return content


@contextmanager
def replacing(*paths: Path) -> Iterator[list[BinaryIO]]:
    """Yield a file to write for each path; when the block ends without an error, they replace the paths in order.

    All of them are synced before the first one is renamed. If the block or the disk fails, or the process is
    interrupted, the old files stay and the temporary ones are removed. Only a killed process leaves its temporary file,
    `.edge-app-` and a random number, which no other process touches.

    A new file gets this user's usual permissions. A replaced one keeps its permissions, and its owner if this user may
    change owners. A symbolic link stays and its target is replaced. A pipe or device takes the content directly.

    Raises:
        OSError: a file cannot be written; `filename` is its path as given.
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
            sync_folder(folder)


def check(path: Path) -> None:
    """Check that `replacing` could write to a path; nothing is changed.

    Raises:
        OSError: it could not.
    """
    target = _target(path)
    if target is not None:
        with ExitStack() as cleanup:
            _open_beside(path, target, cleanup)


def temporary_name(path: Path) -> Path:
    """Return an unused name in the same folder, short even where the path has a long one."""
    return path.with_name(f"{_PREFIX}{secrets.token_hex(_RANDOM_BYTES)}")


def is_temporary(path: Path) -> bool:
    """Say whether a file has the name of a temporary one, which a killed process may have left."""
    return re.fullmatch(rf"{re.escape(_PREFIX)}[0-9a-f]{{{2 * _RANDOM_BYTES}}}", path.name) is not None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A file being written.

    Attributes:
        path: as the caller gave it.
        target: the file to replace: `path` with all links followed.
        name: the temporary file; None if the target is written directly.
        file: open for writing.
    """

    path: Path
    target: Path
    name: Path | None
    file: BinaryIO

    def finish(self) -> None:
        self.file.flush()
        # Only a regular file: fsync fails with EINVAL on a pipe or a terminal.
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
        descriptor = own_descriptor(path)
        # A duplicate, as closing the draft would otherwise close this process's own stdout.
        file = path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")
        cleanup.callback(_close, file)
        return _Draft(path, path, None, file)


def _target(path: Path) -> Path | None:
    """Return the regular file that a path leads to, existing or not; None for a pipe, a device or a descriptor.

    Raises:
        OSError: it is a folder, or its links form a loop.
    """
    if own_descriptor(path) is not None:
        return None
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return path.resolve()
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return path.resolve() if stat.S_ISREG(mode) else None


def own_descriptor(path: Path) -> int | None:
    """Return the descriptor of this process that a path such as /dev/stdout stands for, if any.

    It is written to directly: whoever opened it would not see a file that replaces it.
    """
    number = path.name if str(path.parent) in ("/dev/fd", "/proc/self/fd") else ""
    return int(number) if number.isdecimal() else _STANDARD.get(str(path))


def _open_beside(path: Path, target: Path, cleanup: ExitStack) -> _Draft:
    name = target.with_name(
        f"{_PREFIX}{secrets.token_hex(_RANDOM_BYTES)}"
    )  # short even where `target` has a long name; unique
    cleanup.callback(_remove, name)  # before it exists: an interrupt may come right after
    with _blaming(path):
        file = name.open("xb")
        cleanup.callback(_close, file)
        with suppress(FileNotFoundError):
            _take_after(file.fileno(), target.stat())
    return _Draft(path, target, name, file)


def _take_after(descriptor: int, old: os.stat_result) -> None:
    """Give a new file the permissions and, if allowed, the owner of the file it replaces."""
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    # Without set-user-ID and set-group-ID: new content must not inherit the trust given to the old.
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Make an error name the caller's path, even if the temporary file or the folder caused it."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def sync_folder(folder: Path) -> None:
    """Make names in a folder last a power cut.

    Raises:
        OSError: the disk fails.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a folder may be writable and not readable
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # fsync(2): this file system does not sync folders
            raise
    finally:
        os.close(descriptor)


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # after a failure its buffer is of no use
        file.close()


def _remove(name: Path) -> None:
    with suppress(OSError):
        name.unlink()
