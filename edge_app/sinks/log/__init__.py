"""Results as JSON lines in a file, or on stdout with `log:-`. Each line is one `write`; see `fields` for its fields."""

from __future__ import annotations

import errno
import json
import logging
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from edge_app.errors import SinkError, StartError
from edge_app.records import Picture, Result
from edge_app.sinks._contract import Destination, Sink
from edge_app.sinks.log._choosing import Chooser
from edge_app.sinks.log._file import LogFile
from edge_app.sinks.log._ledger import Ledger
from edge_app.sinks.log._syncer import Syncer
from edge_app.sinks.log.fields import to_json
from edge_app.system import terminal
from edge_app.system.wording import counted

logger = logging.getLogger(__name__)

_POLL_S = 0.25  # The longest a stop goes unnoticed while nobody reads stdout.
_LOOK_S = 1.0  # How often to look whether another program has taken the file away: one stat, 3 us.
_ALL = 1_000_000  # rotated files, so that a mere check removes none
_CHOOSE_ANOTHER = "choose another file with --log"
_MAKE_ROOM = "make room on its disk, or choose another file with --log"
# After these errors the file must be reopened: the disk failed and came back, was remounted read-only, or the reader of
# a pipe has gone.
_DESCRIPTOR_IS_BAD = (errno.EBADF, errno.EIO, errno.ESTALE, errno.ENODEV, errno.EROFS, errno.EPIPE)


def connect(destination: Destination) -> Sink:
    """Open the log.

    Raises:
        StartError: the file cannot be written.
    """
    return Log(destination)


def check(path: str) -> None:
    """Check that a log can be written; a missing file is created.

    Raises:
        StartError: it cannot.
    """
    file = LogFile(path, keep=_ALL)
    with _refused(file):
        file.open()
    file.close()


@contextmanager
def _refused(file: LogFile) -> Iterator[None]:
    """Explain why a log cannot be opened."""
    try:
        yield
    except OSError as error:
        raise StartError(f"cannot write the log {file.path}: {error.strerror}", _CHOOSE_ANOTHER) from error
    except ValueError as error:  # a NUL or half a character
        raise StartError(f"{str(file.path)!r} is not the name of a file", _CHOOSE_ANOTHER) from error


class Log:
    """Appends one JSON object per line, and rotates FILE to FILE.1, FILE.2, ... before it grows too large.

    A file that another program removes, renames or replaces is opened anew within a second of the next line. Where
    `destination.keeps_trying`, a file that cannot be opened is tried again with every line, from the start on.
    """

    wants_picture = False

    def __init__(self, destination: Destination) -> None:
        self._output, self._stop, self._keeps_trying = destination.output, destination.stop, destination.keeps_trying
        self._file = LogFile(destination.argument.reveal(), destination.output.log_keep)
        self.name = f"log {'on stdout' if self._file.own_descriptor == 1 else self._file.path}"
        self._chosen = Chooser(self._output.log_when, self._output.log_period)
        stages = None if self._output.log_when == "every" else destination.stages
        self._ledger = Ledger(stages, self._output.log_period)
        self._syncer = Syncer(self._output.log_sync if self._file.own_descriptor is None else 0)
        self._begun_s: float | None = None  # when the current file got its first line, monotonic clock
        self._looked_s: float | None = None  # when the file was last seen at its place, monotonic clock
        self._is_rotation_broken = False
        self._unwritten: Result | None = None  # the last result that could not be written
        try:
            with _refused(self._file):
                self._open()
        except StartError as error:
            if not (self._keeps_trying and isinstance(error.__cause__, OSError)):
                raise

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Write the result if the settings ask for it."""
        self._ledger.saw(result)
        if not self._chosen.wants(result):
            return
        try:
            self._append(result)
        except BrokenPipeError as error:
            if not self._keeps_trying:
                self._stop.set()  # The reader has ended, as in "| head": nothing is left to do.
            else:
                raise self._miss(result, error) from error
        except OSError as error:
            raise self._miss(result, error) from error
        self._chosen.remember(result)
        self._ledger.written(result)
        self._unwritten = None
        self._keep(result)

    def close(self) -> None:
        """Close the file; stdout stays open.

        Raises:
            SinkError: the last lines could not be written, or not be synced to the disk.
        """
        unwritten, self._unwritten = self._unwritten, None
        try:
            if unwritten is not None:
                self._tell_at_the_end(unwritten)
        finally:
            try:
                self._sync_with(self._syncer.close)
            finally:
                self._let_go()

    def _append(self, result: Result) -> None:
        self._look(result.done_s)
        if self._file.descriptor < 0:
            self._open()
        line = encode(result, **self._ledger.owed(result))
        self._rotate_before(len(line), result.done_s)
        self._write(line)

    def _miss(self, result: Result, error: OSError) -> SinkError:
        if self._chosen.miss(result):
            self._ledger.lost(result)
            # A reader that stood still until the run was stopped has not lost this line: it never asked for it.
            self._unwritten = None if isinstance(error, BlockingIOError) else result
        if error.errno in _DESCRIPTOR_IS_BAD:
            self._let_go()
        return SinkError(f"cannot write {self._file.name}: {error.strerror}", _MAKE_ROOM)

    def _tell_at_the_end(self, unwritten: Result) -> None:
        """Write the last result after all: its `gap` tells of those before it.

        Raises:
            SinkError: it cannot be written now either.
        """
        lost = self._ledger.found(unwritten)
        try:
            self._append(unwritten)
        except OSError as error:
            raise SinkError(
                f"{counted(lost, 'result')} could not be written to {self._file.name}: {error.strerror}", _MAKE_ROOM
            ) from error
        self._ledger.written(unwritten)
        self._keep(unwritten)

    def _keep(self, result: Result) -> None:
        self._begun_s = result.done_s if self._begun_s is None else self._begun_s
        self._sync_with(partial(self._syncer.written, self._file.descriptor))

    def _sync_with(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            raise SinkError(f"cannot sync {self._file.path} to the disk: {error.strerror}", _MAKE_ROOM) from error

    def _look(self, now_s: float) -> None:
        """Let go of a file that another program has taken away; the line after it tells of the gap."""
        if self._looked_s is not None and now_s - self._looked_s < _LOOK_S:
            return
        self._looked_s = now_s
        taken = self._file.taken()
        if taken is None:
            self._ledger.seen()
            return
        self._ledger.taken(taken)
        logger.warning("%s was %s by another program; going on in a file of that name", self._file.path, taken)
        if taken != "truncated":
            self._let_go()

    def _let_go(self) -> None:
        self._file.close()
        self._begun_s = None
        self._is_rotation_broken = False  # The cause may be gone once the file is reopened.
        self._syncer.changed_file()

    def _open(self) -> None:
        torn = self._file.open(None if self._keeps_trying else self._stop)
        if torn:
            self._ledger.torn(torn)
            logger.warning("%s ended in half a line (%s, lost power?); cut off", self._file.path, counted(torn, "byte"))

    def _write(self, line: bytes) -> None:
        descriptor = self._file.descriptor
        self._wait_for_reader()
        written = os.write(descriptor, line)
        try:
            while written < len(line):  # A short write: the disk is full, and the next write fails.
                written += os.write(descriptor, line[written:])
        except OSError:
            try:
                self._take_back(written)
            except OSError:
                self._let_go()  # Nothing may follow half a line; reopening the file cuts it off.
            raise
        self._file.grew(len(line))

    def _take_back(self, written: int) -> None:
        """Cut off a partly written line, so that the file holds whole lines only."""
        status = os.fstat(self._file.descriptor)
        if stat.S_ISREG(status.st_mode):
            os.ftruncate(self._file.descriptor, status.st_size - written)
            os.lseek(self._file.descriptor, 0, os.SEEK_END)  # stdout may not be in append mode

    def _wait_for_reader(self) -> None:
        """Wait until the descriptor takes a line or the run stops: a reader that hangs must not block the stop."""
        while not select.select([], [self._file.descriptor], [], _POLL_S)[1]:
            if self._stop.is_set():
                raise BlockingIOError(errno.EAGAIN, "nobody reads it")

    def _rotate_before(self, coming: int, now_s: float) -> None:
        size = None if self._is_rotation_broken else self._file.size()
        if not size:
            return
        max_bytes, max_days = int(self._output.log_max_mb * 2**20), self._output.log_max_days
        is_old = max_days is not None and self._begun_s is not None and now_s - self._begun_s > max_days * 86400
        if size + coming <= max_bytes and not is_old:
            return
        try:
            self._file.rotate()
        except OSError as error:
            # Often the file is writable and its folder is not: a log that grows is better than lost results.
            self._is_rotation_broken = True
            logger.warning("%s cannot be rotated (%s); it will keep growing", self._file.path, error.strerror)
            return
        self._let_go()
        self._open()


def encode(result: Result, **more: Any) -> bytes:
    """Return a result, with more fields, as one line."""
    text = json.dumps(to_json(result) | more, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # JSON requires escapes for C0 only. A file name that is not UTF-8 holds lone surrogates; backslashreplace turns
    # them into JSON escapes.
    return terminal.escaped(text).encode(errors="backslashreplace") + b"\n"
