"""Being a good process: signals, and ending while a capture thread hangs. Imports nothing heavy: it is needed first."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals() -> threading.Event:
    """Make SIGINT and SIGTERM set an event instead of ending the process; a second one ends it at once.

    Returns:
        The event.
    """
    stop = threading.Event()

    def request_stop(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in _SIGNALS:
        signal.signal(number, request_stop)
    return stop


def die_on_signals(stop: threading.Event) -> None:
    """Let signals end the process again, as a command with nothing to finish wants it.

    Raises:
        KeyboardInterrupt: a signal came before.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if stop.is_set():
        raise KeyboardInterrupt


def leave(code: int) -> None:
    """End the process with `code`, even when a capture thread hangs in a driver.

    Ordinary shutdown would unload OpenCV under such a thread, which crashes.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    if any(thread.daemon and thread.is_alive() for thread in threading.enumerate()):
        os._exit(code)
    sys.exit(code)
