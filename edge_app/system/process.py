"""Being a good process: signals, children, and ending while a capture thread hangs. Needed first: no heavy import."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import site
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO, NoReturn

_POLL_S = 0.25
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_answers: dict[int, Callable[[], None]] = {}  # What signals other than those call; a process has one set of them.
_came: list[int] = []  # Signals that asked the process to end, the first one first.
_HARMLESS_FOLDER = "/"  # Only root can put modules there.


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
                if number not in _answers:
                    _came.append(number)
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


def outlast_signals() -> None:
    """Let signals, however many, only set the event of `stop_on_signals`, for a command that must undo what it began.

    SIGHUP counts here too: a terminal that goes away must not leave half of something. Under nohup it stays ignored.
    """
    for number in (*_SIGNALS, signal.SIGHUP):
        if number in _SIGNALS or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # without a handler of Python's the pipe is told nothing


def die_on_signals(stop: threading.Event) -> None:
    """Let signals end the process, as a command with nothing to finish wants it; one that came before ends it now.

    Death by the signal itself, not an exception: there is no traceback, and a shell's loop ends with its command.
    """
    for number in {*_SIGNALS, *_came}:
        signal.signal(number, signal.SIG_DFL)
    if stop.is_set():
        signal.raise_signal(_came[0] if _came else signal.SIGINT)


def _current_folder() -> str | None:
    """Return the first entry of the module path if it is the folder that `python -m` and `python -c` put there."""
    with contextlib.suppress(FileNotFoundError):  # the current folder was deleted
        if sys.path and not sys.flags.safe_path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109  # pathlib: not yet
            return sys.path[0]
    return None


_UNASKED = _current_folder()  # Asked at the start: libraries may put entries in front of it later.


def python_child(code: str, *arguments: str) -> list[str]:
    """Return the command that runs Python code in a child: with the modules of this process, none of another folder.

    Without this a child would import numpy.py, or any module, from the folder that the user happens to be in. The child
    gets this process's module path less the current folder, and this very edge_app, even where `python -m edge_app` has
    found it in the current folder. `-I` alone will not do: packages may have been installed with `pip install --user`.

    Args:
        code: what to run; may import edge_app.
        arguments: its `sys.argv[1:]`.
    """
    import edge_app

    path = [entry for entry in sys.path if entry.startswith(os.sep)]
    if _UNASKED in path:
        path.remove(_UNASKED)
    begin = (
        f"import importlib.util, sys; sys.path[:] = {path!r}; "
        f"spec = importlib.util.spec_from_file_location('edge_app', {edge_app.__file__!r}); "
        "sys.modules['edge_app'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(sys.modules['edge_app'])\n"
    )
    # -E: PYTHON* variables; -P: no current folder; -s: no packages of the user, unless this process has them.
    flags = ["-E", "-P", *([] if site.ENABLE_USER_SITE else ["-s"]), *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *flags, "-c", begin + code, *arguments]


def isolated(python: str, *words: str) -> list[str]:
    """Return a command for another interpreter than ours: its own modules count, and no others."""
    return [python, "-I", *words]


def bare_python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs Python code that needs nothing but the standard library."""
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended.

    Attributes:
        code: its exit code, negative for the signal that killed it; None if it was given up.
        said: what it wrote to stderr.
        printed: what it wrote to stdout.
    """

    code: int | None
    said: str
    printed: str = ""


def run_child(
    command: Sequence[str],
    stop: threading.Event,
    limit_s: float,
    given: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run something that may crash or hang in a process of its own, and give it up when the run is to end.

    It runs in the root folder, so relative paths in `command` do not work. What it has started itself is ended with it.

    Args:
        command: the program and its arguments; for Python's see `python_child`.
        stop: set to give up; noticed within 0.25 s.
        limit_s: seconds after which to give up.
        given: what the child reads from stdin.
        environment: the child's; None gives it that of this process.
    """
    # A session of its own: Ctrl-C in a terminal goes to us, who then end the child, not to both.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_HARMLESS_FOLDER,
        env=environment,
        start_new_session=True,
    ) as child:
        try:
            # Written by a thread: after a time-out, `communicate` does not go on writing what was not read yet.
            pipe, child.stdin = child.stdin, None
            threading.Thread(target=_write, args=(pipe, given), daemon=True).start()
            deadline_s = time.monotonic() + limit_s
            while not stop.is_set() and time.monotonic() < deadline_s:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    printed, said = child.communicate(timeout=_POLL_S)
                    return Ended(child.returncode, said.decode(errors="replace"), printed.decode(errors="replace"))
        finally:
            _end_session(child)
    return Ended(None, "")


def _end_session(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that runs and what it has started, the compiler of a pip for instance; else do nothing."""
    if child.returncode is None:  # not waited for yet: its number cannot have passed to another process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


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
