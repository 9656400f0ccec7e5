"""Being a good process: signals, children, and ending while a capture thread hangs. Needed first: no heavy import."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO, NoReturn

_POLL_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_answers: dict[int, Callable[[], None]] = {}  # What signals other than those call; a process has one set of them.


def put_off_collection() -> None:
    """Look for no garbage during the start: it makes much, leaves none, and would take a tenth longer."""
    gc.disable()


def begin_collection() -> None:
    """Look for garbage from now on, in what is made from now on; once it has begun, do nothing."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def open_standard_streams() -> None:
    """Put /dev/null where stdin, stdout or stderr are closed.

    The next file to be opened would take the number, and what is meant for stdout would end up in it: in a camera,
    or in the pipe that tells of signals.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "r" if descriptor == 0 else "w", closefd=False))  # noqa: SIM115


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
        while numbers := os.read(told, 16):
            for number in numbers:
                _answers.get(number, stop.set)()

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _end_at_the_next)
    return stop


def on_hangup(action: Callable[[], None]) -> None:
    """Make SIGHUP, "read your settings again", call `action` in the thread that waits for signals."""
    _answers[signal.SIGHUP] = action
    signal.signal(signal.SIGHUP, lambda *_: None)  # without a handler of Python's the pipe is told nothing


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


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended.

    Attributes:
        code: its exit code, negative for the signal that killed it; None if it was given up.
        said: what it wrote to stderr.
    """

    code: int | None
    said: str


def run_child(command: Sequence[str], stop: threading.Event, limit_s: float, given: bytes = b"") -> Ended:
    """Run something that may crash or hang in a process of its own, and give it up when the run is to end.

    Args:
        command: the program and its arguments.
        stop: set to give up; noticed within 0.25 s.
        limit_s: seconds after which to give up.
        given: what the child reads from stdin.
    """
    # A session of its own: Ctrl-C in a terminal goes to us, who then end the child, not to both.
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    ) as child:
        # Written by a thread: after a time-out, `communicate` does not go on writing what the child has not read yet.
        pipe, child.stdin = child.stdin, None
        threading.Thread(target=_write, args=(pipe, given), daemon=True).start()
        deadline_s = time.monotonic() + limit_s
        while not stop.is_set() and time.monotonic() < deadline_s:
            with contextlib.suppress(subprocess.TimeoutExpired):
                said = child.communicate(timeout=_POLL_S)[1]
                return Ended(child.returncode, said.decode(errors="replace"))
        child.kill()
    return Ended(None, "")


def _write(pipe: IO[bytes], given: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:  # A child that ends without reading says why by itself.
        pipe.write(given)


def leave(code: int) -> NoReturn:
    """End the process with `code`, even when a capture thread hangs in a driver.

    Ordinary shutdown would unload OpenCV under such a thread, which crashes, and complain about a stdout that is gone.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # gone, closed, or never there (None)
            stream.flush()
    os._exit(code)
