"""Being a good process: signals, and ending while a capture thread hangs. Imports nothing heavy: it is needed first."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> threading.Event:
    """Make SIGINT and SIGTERM set an event instead of ending the process; a second one ends it at once.

    The event is set by a thread of its own. A handler interrupts the main thread wherever it is, and there it may hold
    the lock inside the event: setting it in the handler hung 39 of 60 runs of a loop around `stop.wait`.

    Returns:
        The event.
    """
    stop = threading.Event()
    told, tell = os.pipe()
    os.set_blocking(tell, False)  # as `set_wakeup_fd` demands

    def pass_on() -> None:
        os.read(told, 1)
        stop.set()

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _end_at_the_next)
    return stop


def _end_at_the_next(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


def die_on_signals(stop: threading.Event) -> None:
    """Let signals end the process, as a command with nothing to finish wants it; one that came before ends it now.

    Death by the signal itself, not an exception: there is no traceback, and a shell's loop ends with its command.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    if stop.is_set():
        signal.raise_signal(signal.SIGINT)


def leave(code: int) -> NoReturn:
    """End the process with `code`, even when a capture thread hangs in a driver.

    Ordinary shutdown would unload OpenCV under such a thread, which crashes, and complain about a stdout that is gone.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # gone, closed, or never there (None)
            stream.flush()
    os._exit(code)
