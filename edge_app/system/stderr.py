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


@contextlib.contextmanager
def without_lines(chatter: re.Pattern[bytes]) -> Iterator[None]:
    """Pass on what the process writes to descriptor 2, line by line, without the chatter.

    Native code writes to the descriptor, not to `sys.stderr`, so the descriptor itself goes to a pipe. The pipe ends
    only after the last write begun before standard error was restored, so other threads lose no lines. Wrap short
    calls only: a crash loses what is still in the pipe.

    Args:
        chatter: matched at the start of each line.
    """
    with _one_at_a_time:
        real = _redirect(chatter)
        try:
            yield
        finally:
            if real is not None:
                descriptor, filtering = real
                os.dup2(descriptor, _STDERR)
                # A child started meanwhile keeps the pipe open; then the thread goes on without us.
                filtering.join(_PATIENCE_S)


def _redirect(chatter: re.Pattern[bytes]) -> tuple[int, threading.Thread] | None:
    """Redirect standard error; return a descriptor of the original, and the thread that filters.

    Return None, with nothing done, if standard error is closed or no descriptor is free: chatter beats failure.
    """
    with contextlib.ExitStack() as undo:
        try:
            real = os.dup(_STDERR)
            undo.callback(os.close, real)
            come, go = os.pipe()
        except OSError:
            return None
        undo.pop_all()
    with contextlib.suppress(OSError, AttributeError):  # Not permitted, or not on Linux.
        fcntl.fcntl(go, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)
    os.dup2(go, _STDERR)
    os.close(go)
    filtering = threading.Thread(target=_pass_on, args=(come, real, chatter), name="stderr", daemon=True)
    filtering.start()
    return real, filtering


def _pass_on(come: int, real: int, chatter: re.Pattern[bytes]) -> None:
    """Copy lines without the chatter from one descriptor to another until the end; then close both."""
    with open(come, "rb") as lines, open(real, "wb", buffering=0) as standard_error:
        for line in lines:
            if not chatter.match(line):
                with contextlib.suppress(OSError):  # The reader may be gone.
                    standard_error.write(line)
