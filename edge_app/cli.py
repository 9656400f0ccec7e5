"""The `edge-app` command: settle the settings, run one command, say what went wrong in one line, give the exit code."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from collections.abc import Sequence

from edge_app import commands
from edge_app.errors import EXIT_FAILED, EXIT_OK, EXIT_USAGE, ConfigError, EdgeAppError, Interrupted, StartError
from edge_app.service import journal
from edge_app.settings import command_line
from edge_app.system import children, process

log = logging.getLogger("edge_app")


def main(arguments: Sequence[str], stop: threading.Event) -> int:
    """Run one command.

    Args:
        arguments: what followed the program's name.
        stop: set by SIGINT and SIGTERM.

    Returns:
        The exit code. See `errors`.
    """
    try:
        journal.set_up("--verbose" in arguments)
        asked = command_line.parse(arguments, commands.TABLE)
        if not commands.TABLE[asked.words].has_to_finish:
            process.die_on_signals(stop)
        if asked.words != "run":  # it has much to load yet
            process.begin_collection()
        code = commands.find(asked.words)(command_line.settle(asked), stop)
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
        if stop.is_set() and isinstance(error, ConfigError | StartError):
            return EXIT_OK  # Asked to end before it had begun: what was given up then is no failure.
        _tell(error)
        return error.exit_code
    except BrokenPipeError:
        return EXIT_OK  # Whoever read stdout has seen enough.
    except Exception as error:
        return _report(error)


def _tell(error: EdgeAppError) -> None:
    if os.environ.get(children.VARIABLE) == "json":
        children.tell(error)
        return
    for line in error.lines:
        log.error("%s", line)


def _report(error: Exception) -> int:
    # Files are opened in rooms that say which; what is left is data printed to a stdout on a full disk.
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        log.error("cannot write to stdout: %s", error.strerror)
    else:
        log.error("this is a bug in edge-app; please report it with the lines below", exc_info=error)
    return EXIT_FAILED
