"""Programs that install and uninstall start: in a clean environment, and ended with the installer."""

from __future__ import annotations

import math
import pwd
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edge_app.errors import Interrupted, RunError
from edge_app.system import process, trust
from edge_app.system.wording import printable

_LAST_LINES = 8
_LONGEST_LINE = 500


@dataclass(frozen=True, slots=True)
class Step:
    """One program that runs to its end.

    Attributes:
        name: what it does; messages show it instead of the command line, which may contain an index's password.
        command: the program, an absolute path, and its arguments.
        variables: its environment variables besides those of `clean_environment`.
        user: who runs it; None for root.
        limit_s: seconds after which it has failed.
    """

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)
    user: trust.User | None = None
    limit_s: float = math.inf


def clean_environment(user: trust.User | None = None) -> dict[str, str]:
    """Return the environment of every step: nothing of the caller's, which could make root run or load anything.

    LD_PRELOAD, PYTHON*, PATH, DBUS_* and GIT_* are examples; hence a list of what is set, not of what is left out.
    """
    home = "/nonexistent" if user else pwd.getpwuid(0).pw_dir
    return {"PATH": ":".join(trust.SYSTEM_FOLDERS), "HOME": home, "LANG": "C.UTF-8", "PYTHONNOUSERSITE": "1"}


def check(stop: threading.Event) -> None:
    """Give up if asked to.

    Raises:
        Interrupted: `stop` is set.
    """
    if stop.is_set():
        raise Interrupted("interrupted: everything is as it was before", "run the same command again")


def run(step: Step, stop: threading.Event) -> str:
    """Run a program to its end and return its output.

    Args:
        step: the program.
        stop: set to end it.

    Raises:
        DependencyMissing: the system lacks setpriv.
        RunError: it cannot be run, or failed; the message ends with its last lines.
        Interrupted: `stop` was set.
    """
    check(stop)
    command = trust.as_user(step.command, step.user)
    environment = clean_environment(step.user) | dict(step.variables)
    try:
        ended = process.run_child(command, stop, step.limit_s, environment=environment)
    except OSError as error:
        raise RunError(f"{command[0]} cannot be run: {error.strerror}", "let this user run it") from error
    if ended.code is None:
        check(stop)
        raise RunError(f"{step.name} did not end within {step.limit_s:.0f} s", "run the same command again")
    if ended.code:
        said = (ended.said.strip() or ended.printed.strip()).splitlines()
        first = f"{step.name} failed (exit code {ended.code}){':' if said else ''}"
        raise RunError(
            "\n".join([first, *(printable(line[:_LONGEST_LINE]) for line in said[-_LAST_LINES:])]),
            "fix that, then run the same command again",
        )
    return ended.printed
