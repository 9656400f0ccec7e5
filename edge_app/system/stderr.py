"""Keep a native library's chatter from the user, and nothing else that reaches standard error."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Iterator

_STDERR = 2
_ROOM_BYTES = 1 << 20  # Native code that holds the GIL can write so much before the thread below reads any of it.
_PATIENCE_S = 1.0
_one_at_a_time = threading.Lock()  # There is one descriptor 2; two blocks at once would restore each other's pipe.


@contextlib.contextmanager
def without_lines(chatter: re.Pattern[bytes]) -> Iterator[None]:
    """Pass on what anything in the process writes to descriptor 2, line by line, without the chatter.

    Native code writes to the descriptor, not to `sys.stderr`, so the descriptor itself is redirected. A pipe, because
    its end comes only after the last write that had begun before standard error was restored: the lines that other
    threads write meanwhile are not lost. Wrap short calls only: a crash takes along what is still in the pipe.

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
                # The end does not come while a child that was started meanwhile lives; the thread goes on for it.
                filtering.join(_PATIENCE_S)


def _redirect(chatter: re.Pattern[bytes]) -> tuple[int, threading.Thread] | None:
    """Redirect standard error; return a descriptor of where it went before, and the thread that filters.

    Nothing is done and None returned if standard error is closed or no descriptor is free: chatter harms less than a
    refusal.
    """
    with contextlib.ExitStack() as undo:
        try:
            real = os.dup(_STDERR)
            undo.callback(os.close, real)
            come, go = os.pipe()
        except OSError:
            return None
        undo.pop_all()
    with contextlib.suppress(OSError, AttributeError):  # Not allowed here; not Linux.
        fcntl.fcntl(go, fcntl.F_SETPIPE_SZ, _ROOM_BYTES)
    os.dup2(go, _STDERR)
    os.close(go)
    filtering = threading.Thread(target=_pass_on, args=(come, real, chatter), name="stderr", daemon=True)
    filtering.start()
    return real, filtering


def _pass_on(come: int, real: int, chatter: re.Pattern[bytes]) -> None:
    """Copy lines from one descriptor to another until the end, but for the chatter; then close both."""
    with open(come, "rb") as lines, open(real, "wb", buffering=0) as standard_error:
        for line in lines:
            if not chatter.match(line):
                with contextlib.suppress(OSError):  # Nobody may be left to read it.
                    standard_error.write(line)
