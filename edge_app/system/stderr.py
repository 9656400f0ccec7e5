"""Filters a native library's chatter out of standard error, and nothing else."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Iterator

_STDERR = 2
_ROOM_BYTES = 1 << 20  # Native code that holds the GIL can write this much before the thread below can read any of it.
_PATIENCE_S = 1.0
_one_at_a_time = threading.Lock()  # Descriptor 2 is global: two blocks at once would restore each other's pipe.
_saved: list[int] = []  # A descriptor of the original standard error, while it is redirected.


def _renew_after_fork() -> None:
    """Give a child of `fork` its own lock and standard error: the thread that held them does not exist there."""
    global _one_at_a_time  # noqa: PLW0603  # a lock cannot be released for a thread that is gone
    _one_at_a_time = threading.Lock()
    while _saved:
        os.dup2(_saved.pop(), _STDERR)


os.register_at_fork(after_in_child=_renew_after_fork)


@contextlib.contextmanager
def without_lines(chatter: re.Pattern[bytes]) -> Iterator[None]:
    """Pass on what the process writes to descriptor 2, line by line, without the chatter.

    Native code writes to the descriptor, not to `sys.stderr`, so the descriptor itself goes to a pipe. The pipe ends
    only after the last write begun before standard error was restored, so other threads lose no lines. Wrap short
    calls only: a crash loses what is still in the pipe. If standard error is closed, or no descriptor or thread is to
    be had, nothing is redirected: chatter beats failure.

    Args:
        chatter: matched at the start of each line.
    """
    with _one_at_a_time, contextlib.ExitStack() as undo:
        # Every step is undone from the moment it is done: an exception of a signal handler may come between any two.
        with contextlib.suppress(OSError, RuntimeError):  # RuntimeError: no thread can be started
            _redirect(chatter, undo)
        yield


def _redirect(chatter: re.Pattern[bytes], undo: contextlib.ExitStack) -> None:
    saved = os.dup(_STDERR)
    undo.callback(os.close, saved)
    filtering = _Filter(chatter, saved)
    filtering.start()
    # Undone from the last to the first: joined before our end is closed, the thread would never see the end.
    undo.callback(filtering.join, _PATIENCE_S)  # A child started meanwhile keeps the pipe open: go on without it.
    undo.callback(filtering.end)
    undo.callback(_restore, saved)
    # Before `dup2`: a fork or an interrupt between the two must already know what to restore.
    _saved.append(saved)
    os.dup2(filtering.descriptor, _STDERR)


def _restore(saved: int) -> None:
    if saved in _saved:
        os.dup2(saved, _STDERR)
        _saved.remove(saved)


class _Filter(threading.Thread):
    """Copies lines without the chatter from a pipe to standard error; the pipe's end is `descriptor`."""

    def __init__(self, chatter: re.Pattern[bytes], saved: int) -> None:
        super().__init__(name="stderr", daemon=True)
        self._chatter = chatter
        self._come, self.descriptor = os.pipe()
        # Its own copy: the thread may outlive the join's patience, and `saved` is closed then.
        self._real = os.dup(saved)
        with contextlib.suppress(OSError, AttributeError):  # Not permitted, or not on Linux.
            fcntl.fcntl(self.descriptor, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)

    def run(self) -> None:
        """Copy until every writer has closed the pipe."""
        _pass_on(self._come, self._real, self._chatter)

    def end(self) -> None:
        """Close our end of the pipe."""
        os.close(self.descriptor)


def _pass_on(come: int, real: int, chatter: re.Pattern[bytes]) -> None:
    """Copy lines without the chatter from one descriptor to another until the end; then close both."""
    with open(come, "rb") as lines, open(real, "wb", buffering=0) as standard_error:
        for line in lines:
            if not chatter.match(line):
                with contextlib.suppress(OSError):  # The reader may be gone.
                    standard_error.write(line)
