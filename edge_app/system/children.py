"""Runs a function that may crash or hang in a child process, and rebuilds the child's error in the parent."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from edge_app import errors
from edge_app.errors import DependencyMissing, EdgeAppError, one_line
from edge_app.system import process

VARIABLE = "EDGE_APP_ERRORS"  # An edge-app that starts another sets it to "json"; errors then come as from `tell`.
_KEY = "edge_app_error"
_BEGIN = "from edge_app.system import children; children.begin()"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call in a child ended.

    Attributes:
        code: the child's exit code, negative for the signal that killed it; None if it was given up.
        error: the error that the call raised; None unless `code` is positive.
        said: everything the child wrote to stderr, output of libraries included.
    """

    code: int | None
    error: EdgeAppError | None
    said: str


def call(function: str, arguments: Sequence[str], stop: threading.Event, limit_s: float, given: bytes = b"") -> Outcome:
    """Call a function in a child process.

    Args:
        function: as "package.module:name".
        arguments: of the function.
        stop: set to give up; noticed within 0.25 s.
        limit_s: seconds after which to give up.
        given: the child's stdin.
    """
    ended = process.run_child(process.python_child(_BEGIN, function, *arguments), stop, limit_s, given)
    return Outcome(ended.code, told(ended.said) if ended.code and ended.code > 0 else None, ended.said)


def begin() -> None:
    """Run in the child: make the call that the command line names, and report its error."""
    module, _, name = sys.argv[1].partition(":")
    try:
        getattr(importlib.import_module(module), name)(*sys.argv[2:])
    except Exception as error:  # noqa: BLE001  # an imported library may raise anything
        ours = error if isinstance(error, EdgeAppError) else _translated(error)
        tell(ours)
        sys.exit(ours.exit_code)


def _translated(error: Exception) -> EdgeAppError:
    if isinstance(error, ImportError):
        return DependencyMissing(one_line(error), "install what is missing")
    return EdgeAppError(one_line(error))


def tell(error: EdgeAppError) -> None:
    """Report an error to the parent as one line of JSON on stderr, with its type and both texts."""
    parts = [{"what": one.what, "remedy": one.remedy} for one in error.each]
    sys.stderr.write(json.dumps({_KEY: type(error).__name__, "parts": parts, "remedy": error.remedy}) + "\n")


def told(said: str) -> EdgeAppError:
    """Return the error that a child reported on stderr; without a report, an error with its last line.

    Args:
        said: everything the child wrote to stderr.
    """
    lines = [line for line in said.splitlines() if line.strip()]
    # Not just the last line: a library may still write to stderr while the interpreter shuts down.
    for line in reversed(lines):
        if line.startswith(f'{{"{_KEY}"'):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off, or not from `tell`
                return _rebuilt(json.loads(line))
    return EdgeAppError(lines[-1].strip() if lines else "it gave no reason")


def _rebuilt(report: dict[str, object]) -> EdgeAppError:
    kind = getattr(errors, str(report[_KEY]), None)
    # The name comes from the child's stderr: it must not select just any object of the module.
    if not (isinstance(kind, type) and issubclass(kind, EdgeAppError)):
        raise TypeError(f"not an error: {report[_KEY]}")
    parts = [kind(**part) for part in report["parts"]]  # type: ignore[attr-defined]  # `tell` wrote a list
    return parts[0] if len(parts) == 1 else kind.together(parts, str(report["remedy"]))
