"""The file of a log: opened, rotated, and opened anew when another program has taken it away."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
import threading
from pathlib import Path
from typing import Literal

from edge_app.sinks.log._tail import mend_tail
from edge_app.system import files

Taken = Literal["removed", "moved", "truncated"]
_MODE = 0o644
_POLL_S = 0.25


class LogFile:
    """A file to append to.

    Args:
        path: the file; a symbolic link is followed, also when the file is rotated. `-` and the names of this process's
            own descriptors, such as /dev/stdout, are written to as they are: never rotated, reopened or closed.
        keep: number of rotated files.

    Attributes:
        path: the file as given.
        descriptor: open for writing; -1 while closed.
    """

    def __init__(self, path: str, keep: int) -> None:
        self.path, self._keep = Path(path), keep
        self.own_descriptor = 1 if path in ("-", "") else files.own_descriptor(self.path)
        self.descriptor = -1
        self._target = self.path
        self._size = 0  # after the last write

    @property
    def name(self) -> str:
        """Its name in messages."""
        return "stdout" if self.own_descriptor == 1 else str(self.path)

    def open(self, waits: threading.Event | None = None) -> int:
        """Open the file, and mend its end if a power cut tore the last line.

        Args:
            waits: wait for the reader of a named pipe until this is set; by default having none is an error.

        Returns:
            How many bytes of a torn line were cut off.

        Raises:
            OSError: it cannot be opened.
        """
        if self.own_descriptor is not None:
            self.descriptor = self.own_descriptor
            return 0
        descriptor = self._opened(waits)
        try:
            torn = mend_tail(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self.descriptor, self._target = descriptor, Path(os.path.realpath(self.path))
        self._size = os.fstat(descriptor).st_size
        self._remove_surplus()
        return torn

    def _opened(self, waits: threading.Event | None) -> int:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISFIFO(self.path.stat().st_mode):
                return self._opened_pipe(waits)
        return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _MODE)

    def _opened_pipe(self, waits: threading.Event | None) -> int:
        """Open a named pipe for writing only: whoever could read from it too would never learn that its reader left."""
        while True:
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                if waits is None or waits.wait(_POLL_S):
                    raise BrokenPipeError(errno.EPIPE, "nobody reads this pipe") from error
            else:
                os.set_blocking(descriptor, True)
                return descriptor

    def close(self) -> None:
        """Close it, unless it is a descriptor of this process."""
        if self.own_descriptor is None and self.descriptor >= 0:
            with contextlib.suppress(OSError):  # Closing a bad descriptor fails too.
                os.close(self.descriptor)
        self.descriptor = -1

    def grew(self, size: int) -> None:
        """Note that bytes were appended."""
        self._size += size

    def taken(self) -> Taken | None:
        """Return what another program has done to the open file; None if it lies where it was opened.

        Raises:
            OSError: the open file cannot be looked at.
        """
        if self.own_descriptor is not None or self.descriptor < 0:
            return None
        mine = os.fstat(self.descriptor)
        if not stat.S_ISREG(mine.st_mode):
            return None
        try:
            there = self.path.stat()
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, mine):
            return "moved" if mine.st_nlink else "removed"
        if mine.st_size < self._size:
            self._size = mine.st_size  # In append mode, the next line goes to the new end.
            return "truncated"
        return None

    def size(self) -> int | None:
        """Return its size in bytes; None if it is not a file that can be rotated."""
        if self.own_descriptor is not None:
            return None
        found = os.fstat(self.descriptor)
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def rotate(self) -> None:
        """Rename FILE to FILE.1, FILE.1 to FILE.2 and so on, in the folder where the file really is.

        Raises:
            OSError: one cannot be renamed; all files are as before.
        """
        names = [self._target, *map(self._rotated, range(1, self._keep + 2))]
        done: list[tuple[Path, Path]] = []
        try:
            # The oldest first, and none is dropped yet: the current file may be the one that cannot be renamed.
            for old, new in reversed(list(itertools.pairwise(names))):
                if old.is_dir():
                    raise IsADirectoryError(errno.EISDIR, f"{old} is a folder")
                if old.exists():
                    old.rename(new)
                    done.append((old, new))
        except OSError:
            for old, new in reversed(done):
                new.rename(old)
            raise
        names[-1].unlink(missing_ok=True)

    def _rotated(self, number: int) -> Path:
        return self._target.with_name(f"{self._target.name}.{number}")

    def _remove_surplus(self) -> None:
        """Remove rotated files beyond the number to keep, which may have been larger in an earlier run."""
        number = self._keep + 1
        # Consecutive numbers only: FILE.2026 may be another program's.
        with contextlib.suppress(OSError):  # They cost room; they must not cost the log.
            while self._rotated(number).is_file() and not self._rotated(number).is_symlink():
                self._rotated(number).unlink()
                number += 1
