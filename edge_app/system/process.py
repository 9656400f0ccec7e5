"""Signals, child processes, and exiting while a capture thread hangs. Loaded first: no heavy imports."""

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
_answers: dict[int, Callable[[], None]] = {}  # What other signals call. Global, as signal handlers are.
_came: list[int] = []  # The signals received that end the process, oldest first.
_hangup_came = threading.Event()
_HARMLESS_FOLDER = "/"  # Only root can put modules there.


def put_off_collection() -> None:
    """Turn the garbage collector off during the start, which it would slow down by a tenth and find nothing."""
    gc.disable()


def begin_collection() -> None:
    """Turn the garbage collector on for objects made from now on; does nothing if it is on."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def open_standard_streams() -> None:
    """Open /dev/null for stdin, stdout or stderr if it is closed.

    Otherwise the next opened file would get that descriptor, and text for stdout would go to it: to a camera, or to
    the pipe for signals.
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

    A thread sets the event. A handler interrupts the main thread, which may hold the event's lock at that moment:
    setting the event in the handler hung 39 of 60 runs of a loop around `stop.wait`.

    Returns:
        The event.
    """
    stop = threading.Event()
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)  # `set_wakeup_fd` requires it

    def pass_on() -> None:
        while numbers := os.read(read_end, 16):
            for number in numbers:
                if number not in _answers:
                    _came.append(number)
                _answers.get(number, stop.set)()

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, _end_at_the_next)
    return stop


def put_off_hangups() -> None:
    """Keep a SIGHUP that comes before `on_hangup` for it, instead of dying by it: a service may be asked to reload."""
    _answers[signal.SIGHUP] = _hangup_came.set
    signal.signal(signal.SIGHUP, lambda *_: None)  # without a Python handler nothing is written to the pipe


def on_hangup(action: Callable[[], None]) -> None:
    """Make SIGHUP, which asks for a reload, call `action` in the thread that waits for signals."""
    put_off_hangups()
    _answers[signal.SIGHUP] = action
    if _hangup_came.is_set():
        action()


def _end_at_the_next(number: int, _: FrameType | None) -> None:
    # The kernel's default, as Python handlers wait for the main thread, which may hang in native code.
    signal.signal(number, signal.SIG_DFL)


def outlast_signals() -> None:
    """Make every signal, not only the first, just set the event: for a command that must undo what it began.

    This includes SIGHUP, as a closed terminal must not leave half an installation. Under nohup it stays ignored.
    """
    for number in (*_SIGNALS, signal.SIGHUP):
        if number in _SIGNALS or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)  # without a Python handler nothing is written to the pipe


def die_on_signals(stop: threading.Event) -> None:
    """Let signals kill the process, for a command with nothing to finish; one already received kills it now.

    The process dies by the signal, not by an exception: there is no traceback, and a shell loop around it ends too.
    """
    for number in {*_SIGNALS, *_came}:
        signal.signal(number, signal.SIG_DFL)
    if stop.is_set():
        signal.raise_signal(_came[0] if _came else signal.SIGINT)


def _without_current_folder(path: Sequence[str]) -> list[str]:
    """Return sys.path without the current folder, if `python -m`, `python -c` or PYTHONPATH put it there.

    PYTHONPATH does so by an empty or relative entry, as in the usual `PYTHONPATH=$PYTHONPATH:/mine`. Its full path is a
    wish, not an accident, and stays.
    """
    try:
        here = os.getcwd()  # noqa: PTH109  # pathlib: not yet
    except FileNotFoundError:  # it has been deleted
        return list(path)
    wished = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    wishes = wished.split(os.pathsep) if wished else []
    first = 0 if sys.flags.safe_path else 1
    # Only among the entries that those put there: the current folder may be site-packages, too.
    head, rest = list(path[: first + len(wishes)]), list(path[first + len(wishes) :])
    if here in wishes:
        return [*(head[1:] if first and head[:1] in ([""], [here]) else head), *rest]
    return [entry for entry in head if entry not in ("", here)] + rest


# Found at the start: later the process may be in another folder, and libraries may have inserted entries.
_WITHOUT_CURRENT_FOLDER = _without_current_folder(sys.path)
_DROPPED = [entry for entry in sys.path if entry not in _WITHOUT_CURRENT_FOLDER]


def leave_current_folder() -> None:
    """Import nothing more from the current folder, where a download may be called numpy.py.

    Python itself, which reads its path first, may have imported a few modules of the standard library by now.
    """
    sys.path[:] = _WITHOUT_CURRENT_FOLDER


def python_child(code: str, *arguments: str) -> list[str]:
    """Return the command that runs Python code in a child with exactly this process's modules.

    A plain child would import a numpy.py, or any module, from the user's current folder. This child gets this process's
    sys.path without the current folder, and the same edge_app even if `python -m edge_app` found it in that folder.
    `-I` alone is not enough: packages may have been installed with `pip install --user`.

    Args:
        code: the code to run; may import edge_app.
        arguments: its `sys.argv[1:]`.
    """
    import edge_app

    path = [entry for entry in sys.path if entry.startswith(os.sep) and entry not in _DROPPED]
    begin = (
        f"import importlib.util, sys; sys.path[:] = {path!r}; "
        f"spec = importlib.util.spec_from_file_location('edge_app', {edge_app.__file__!r}); "
        "sys.modules['edge_app'] = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(sys.modules['edge_app'])\n"
    )
    # -E ignores PYTHON* variables, -P the current folder, -s the user's packages unless this process has them.
    flags = ["-E", "-P", *([] if site.ENABLE_USER_SITE else ["-s"]), *(["-B"] if sys.dont_write_bytecode else [])]
    return [sys.executable, *flags, "-c", begin + code, *arguments]


def isolated(python: str, *words: str) -> list[str]:
    """Return a command for another interpreter, which sees only its own modules."""
    return [python, "-I", *words]


def bare_python(code: str, *arguments: str) -> list[str]:
    """Return the command that runs Python code with only the standard library."""
    return [sys.executable, "-I", "-S", "-c", code, *arguments]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child process ended.

    Attributes:
        code: its exit code, negative for the signal that killed it; None if it was given up.
        said: its stderr.
        printed: its stdout.
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
    """Run a program that may crash or hang; kill it, with its own children, on `stop` or after the limit.

    It runs in the root folder, so relative paths in `command` do not work.

    Args:
        command: the program and its arguments; for Python code see `python_child`.
        stop: set to give up; noticed within 0.25 s.
        limit_s: seconds after which to give up.
        given: the child's stdin.
        environment: the child's environment; None for this process's.
    """
    # A session of its own: Ctrl-C in a terminal reaches only this process, which then ends the child.
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
            # A thread writes stdin: after a timeout, `communicate` would not go on writing what is left.
            pipe, child.stdin = child.stdin, None
            threading.Thread(target=_write, args=(pipe, given), daemon=True).start()
            deadline_s = time.monotonic() + limit_s
            while not stop.is_set() and time.monotonic() < deadline_s:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    # After a timeout it may be called again and has lost no output, so polling is safe.
                    printed, said = child.communicate(timeout=_POLL_S)
                    return Ended(child.returncode, said.decode(errors="replace"), printed.decode(errors="replace"))
        finally:
            _end_session(child)
    return Ended(None, "")


def _end_session(child: subprocess.Popen[bytes]) -> None:
    """Kill a running child and its own children, such as a compiler that pip started."""
    if child.returncode is None:  # not reaped yet, so its pid cannot belong to another process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


def _write(pipe: IO[bytes], given: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:  # A child that ends without reading reports its own error.
        pipe.write(given)


def leave(code: int) -> NoReturn:
    """Exit with `code`, even while a capture thread hangs in a driver.

    A normal exit would crash, as it unloads OpenCV while that thread uses it, and would complain about a closed stdout.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # reader gone, closed, or None
            # `os._exit` flushes nothing: the last results in Python's buffers would be lost.
            stream.flush()
    os._exit(code)
