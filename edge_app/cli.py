"""The `edge-app` command: reads the settings, runs one command, reports an error in one line, returns the exit code."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import threading
from collections.abc import Sequence
from typing import TextIO, cast

from edge_app import commands
from edge_app.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, ConfigError, EdgeAppError, Interrupted, StartError
from edge_app.secret import know
from edge_app.service import journal
from edge_app.settings import command_line
from edge_app.system import children, process
from edge_app.system.terminal import Harmless

log = logging.getLogger("edge_app")


def main(arguments: Sequence[str], stop: threading.Event) -> int:
    """Run one command.

    Args:
        arguments: the command line after the program's name.
        stop: set by SIGINT and SIGTERM.

    Returns:
        The exit code. See `errors`.
    """
    if sys.stdout is None:  # closed before the start
        return _run(arguments, stop)
    with contextlib.redirect_stdout(cast("TextIO", Harmless(sys.stdout))):
        return _run(arguments, stop)


def _run(arguments: Sequence[str], stop: threading.Event) -> int:
    words = ""
    try:
        # Before parsing, whose errors are logged too; so nothing has parsed --verbose yet.
        journal.set_up("--verbose" in arguments)
        know(*arguments, *(value for value in os.environ.values() if "://" in value))  # of a proxy, or pip's index
        asked = command_line.parse(arguments, commands.TABLE)
        words = asked.words
        if not commands.TABLE[asked.words].has_to_finish:
            process.die_on_signals(stop)
        if asked.words != "run":  # `run` still has much to load, and turns the collector on after that
            process.begin_collection()
        code = commands.find(asked.words)(command_line.settle(asked), stop)
        # Flushed here because `process.leave` ignores a failing flush: a full disk would end with 0.
        if sys.stdout is not None:  # None where it was closed before the start
            sys.stdout.flush()
        return code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else EXIT_USAGE
    except Interrupted as error:
        log.error("%s", error)
        process.die_on_signals(stop)
        return error.exit_code
    except EdgeAppError as error:
        # Only of a run, which goes on until it is stopped: no other command has done its work by then.
        if words == "run" and stop.is_set() and isinstance(error, ConfigError | StartError):
            return EXIT_OK  # Stopped before it began: an error from giving up is not a failure.
        _report(error)
        return error.exit_code
    except BrokenPipeError:
        return EXIT_OK  # The reader of stdout has ended, as in "| head".
    except Exception as error:
        return _report_unexpected(error)


def _report(error: EdgeAppError) -> None:
    if os.environ.get(children.VARIABLE) == "json":
        children.tell(error)
        return
    for line in error.lines:
        log.error("%s", line)


def _report_unexpected(error: Exception) -> int:
    # All code that writes files reports a full disk itself, so only stdout is left.
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        log.error("cannot write to stdout: %s", error.strerror)
    else:
        log.error("this is a bug in edge-app; please report it with the lines below", exc_info=error)
    return EXIT_FAILED
