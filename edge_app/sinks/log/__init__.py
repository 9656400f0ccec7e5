"""Results as JSON lines in a file, or on stdout with `log:-`. Each line is one `write`; see `fields` for its fields."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import select
import stat
from pathlib import Path
from typing import Any

from edge_app.errors import SinkError, StartError
from edge_app.records import Picture, Result
from edge_app.sinks._contract import Destination, Sink
from edge_app.sinks.log._choosing import Chooser
from edge_app.sinks.log._ledger import Ledger
from edge_app.sinks.log._syncer import Syncer
from edge_app.sinks.log.fields import to_json
from edge_app.system.wording import counted

logger = logging.getLogger(__name__)

_POLL_S = 0.25  # The longest a stop goes unnoticed while nobody reads stdout.
_TAIL_BYTES = 2**20  # More than a run writes between two commits of the file system's journal.
_MAKE_ROOM = "make room on its disk, or choose another file with --log"
_LINE_START = b'{"time":"'
# After these errors the file must be reopened: the disk failed and came back, or was remounted read-only.
_DESCRIPTOR_IS_BAD = (errno.EBADF, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EROFS)


def connect(destination: Destination) -> Sink:
    """Open the log.

    Raises:
        StartError: the file cannot be written.
    """
    return Log(destination)


class Log:
    """Appends one JSON object per line, and rotates FILE to FILE.1, FILE.2, ... before it grows too large."""

    wants_picture = False

    def __init__(self, destination: Destination) -> None:
        self._output, self._stop = destination.output, destination.stop
        file = destination.argument.reveal()
        self._path = None if file in ("-", "") else Path(file)
        self.name = f"log {self._path or 'on stdout'}"
        self._chosen = Chooser(self._output.log_when, self._output.log_period)
        stages = None if self._output.log_when == "every" else destination.stages
        self._ledger = Ledger(stages, self._output.log_period)
        self._syncer = Syncer(self._output.log_sync if self._path else 0)
        self._descriptor = -1
        self._begun_s: float | None = None  # when the current file got its first line, monotonic clock
        self._is_rotation_broken = False
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise StartError(
                f"cannot write the log {self._path}: {error.strerror}", "choose another file with --log"
            ) from error

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Write the result if the settings ask for it."""
        self._ledger.saw(result)
        if not self._chosen.wants(result):
            return
        try:
            if self._descriptor < 0:
                self._descriptor = self._open()
            line = encode(result, **self._ledger.owed(result))
            self._rotate_before(len(line), result.done_s)
            self._write(line)
        except BrokenPipeError:
            self._stop.set()  # The reader of stdout has ended, as in "| head": nothing is left to do.
        except OSError as error:
            if self._chosen.miss(result):
                self._ledger.lost(result)
            if error.errno in _DESCRIPTOR_IS_BAD:
                self._let_go()
            raise SinkError(f"cannot write {self._path or 'stdout'}: {error.strerror}", _MAKE_ROOM) from error
        self._chosen.remember(result)
        self._ledger.written(result)
        self._keep(result)

    def close(self) -> None:
        """Close the file; stdout stays open.

        Raises:
            SinkError: the last lines could not be synced to the disk.
        """
        try:
            self._syncer.close()
        except OSError as error:
            raise self._not_kept(error) from error
        finally:
            self._let_go()

    def _keep(self, result: Result) -> None:
        self._begun_s = result.done_s if self._begun_s is None else self._begun_s
        try:
            self._syncer.written(self._descriptor)
        except OSError as error:
            raise self._not_kept(error) from error

    def _not_kept(self, error: OSError) -> SinkError:
        return SinkError(f"cannot sync {self._path} to the disk: {error.strerror}", _MAKE_ROOM)

    def _let_go(self) -> None:
        if self._path is not None and self._descriptor >= 0:
            with contextlib.suppress(OSError):  # Closing a bad descriptor fails too.
                os.close(self._descriptor)
        self._descriptor, self._begun_s = -1, None
        self._is_rotation_broken = False  # The cause may be gone once the file is reopened.
        self._syncer.changed_file()

    def _open(self) -> int:
        if self._path is None:
            return 1
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            torn = mend_tail(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        if torn:
            self._ledger.torn(torn)
            logger.warning("%s ended in half a line (%s, lost power?); cut off", self._path, counted(torn, "byte"))
        return descriptor

    def _write(self, line: bytes) -> None:
        self._wait_for_reader()
        written = os.write(self._descriptor, line)
        try:
            while written < len(line):  # A short write: the disk is full, and the next write fails.
                written += os.write(self._descriptor, line[written:])
        except OSError:
            try:
                self._take_back(written)
            except OSError:
                self._let_go()  # Nothing may follow half a line; reopening the file cuts it off.
            raise

    def _take_back(self, written: int) -> None:
        """Cut off a partly written line, so that the file holds whole lines only."""
        status = os.fstat(self._descriptor)
        if stat.S_ISREG(status.st_mode):
            os.ftruncate(self._descriptor, status.st_size - written)
            os.lseek(self._descriptor, 0, os.SEEK_END)  # stdout may not be in append mode

    def _wait_for_reader(self) -> None:
        """Wait until the descriptor takes a line or the run stops: a reader that hangs must not block the stop."""
        while not select.select([], [self._descriptor], [], _POLL_S)[1]:
            if self._stop.is_set():
                raise BlockingIOError(errno.EAGAIN, "nobody reads it")

    def _rotate_before(self, coming: int, now_s: float) -> None:
        if self._path is None or self._is_rotation_broken:
            return
        size = os.fstat(self._descriptor).st_size
        max_bytes, max_days = int(self._output.log_max_mb * 2**20), self._output.log_max_days
        is_old = max_days is not None and self._begun_s is not None and now_s - self._begun_s > max_days * 86400
        if size == 0 or (size + coming <= max_bytes and not is_old):
            return
        try:
            self._rename_all(self._path)
        except OSError as error:
            # Often the file is writable and its folder is not: a log that grows is better than lost results.
            self._is_rotation_broken = True
            logger.warning("%s cannot be rotated (%s); it will keep growing", self._path, error.strerror)
            return
        self._let_go()
        self._descriptor = self._open()

    def _rename_all(self, path: Path) -> None:
        names = [path, *(path.with_name(f"{path.name}.{n + 1}") for n in range(self._output.log_keep))]
        for older, newer in reversed(list(zip(names[1:], names, strict=False))):
            if newer.exists():
                newer.replace(older)
        if not self._output.log_keep:
            path.unlink()


def mend_tail(descriptor: int) -> int:
    """Cut an incomplete line off the end of a file; return how many bytes were cut.

    A line appended to it would be unreadable too. Only the beginning of a line of ours is cut: another kind of file,
    named by mistake, loses nothing and gets the newline it lacks.
    """
    size = os.fstat(descriptor).st_size
    if not stat.S_ISREG(os.fstat(descriptor).st_mode) or size == 0:
        return 0
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    torn = tail[tail.rfind(b"\n") + 1 :]
    if not torn:
        return 0
    # After a power cut a file may end in zeros: its new length was stored before its content.
    begun = torn.rstrip(b"\0")
    is_ours = begun.startswith(_LINE_START) if begun else _LINE_START in tail
    if not is_ours and (not begun or not _LINE_START.startswith(begun)):
        os.write(descriptor, b"\n")
        return 0
    os.ftruncate(descriptor, size - len(torn))
    return len(torn)


def encode(result: Result, **more: Any) -> bytes:
    """Return a result, with more fields, as one line."""
    text = json.dumps(to_json(result) | more, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # A file name that is not UTF-8 holds lone surrogates; backslashreplace turns them into JSON escapes.
    return text.encode(errors="backslashreplace") + b"\n"
