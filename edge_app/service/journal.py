"""How messages reach stderr: one line each, with priorities for journald, where repeated ones are counted."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from edge_app.secret import scrubbed
from edge_app.system.wording import printable

log = logging.getLogger("edge_app")

REPEAT_S = 60.0
# syslog(3) priorities, which journald reads from the start of a line: sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_NUMBERS = re.compile(r"\d+(\.\d+)?")


def set_up(is_verbose: bool) -> None:
    """Send the package's messages to stderr: warnings and errors, or all messages if `is_verbose`."""
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(handlers=[handler], level=logging.INFO if is_verbose else logging.WARNING)
    if is_journal(sys.stderr):
        handler.setFormatter(ForJournal())
        handler.addFilter(Once())
    elif sys.stderr is not None and sys.stderr.isatty():
        # The status line may be on the terminal's current line: erase it first.
        handler.setFormatter(OneLine("\r\x1b[Kedge-app: "))
    else:
        handler.setFormatter(OneLine("edge-app: "))


def report_every_crash() -> None:
    """Log what Python would print itself: an exception that ends a thread or the program, or that nobody can catch."""

    def report(what: str, error: BaseException | None) -> None:
        log.error("this is a bug in edge-app; please report it with the lines below: %s", what, exc_info=error)

    sys.excepthook = lambda kind, error, trace: report("the program ended", error)
    threading.excepthook = lambda ended: report(
        f"the thread {ended.thread and ended.thread.name!r} ended", ended.exc_value
    )
    sys.unraisablehook = lambda lost: report(lost.err_msg or "an exception was ignored", lost.exc_value)


def is_journal(stream: IO[str] | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether a stream goes to journald, whose device and inode are in JOURNAL_STREAM."""
    if stream is None or "JOURNAL_STREAM" not in environment:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    # The variable is inherited even where stderr was redirected to a file, so its presence alone proves nothing.
    return environment["JOURNAL_STREAM"] == f"{status.st_dev}:{status.st_ino}"


class OneLine(logging.Formatter):
    """Keeps a message on one line, without known secrets and without characters that steer a terminal.

    Only a traceback has more lines.

    Args:
        head: begins the message.
    """

    def __init__(self, head: str = "") -> None:
        super().__init__()
        self._head = head

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's line, and the lines of its traceback."""
        # A message quotes servers, drivers and files: a line break in it must not begin a line of its own, which
        # might begin with a priority.
        message = printable(scrubbed(record.getMessage()))
        trace = scrubbed(self.formatException(record.exc_info)).splitlines() if record.exc_info else []
        return "\n".join([f"{self._head}{message}", *map(printable, trace)])


class ForJournal(OneLine):
    """Starts each line with its priority, which journald removes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines, each with its priority."""
        priority = _PRIORITIES.get(record.levelno, 5)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


class Once(logging.Filter):
    """Lets each message below an error pass once a minute, with its count; messages that differ in numbers are equal.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed: dict[str, tuple[float, int]] = {}  # when a message passed, and how often it was held back since

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record passes; its text gets the number of those held back."""
        if record.levelno >= logging.ERROR:
            return True  # A user waits for it, as after a reload, or the run ends: silence would mean success.
        now_s = self._clock()
        text = record.getMessage()
        key = _NUMBERS.sub("#", text)
        passed_s, held = self._passed.get(key, (-REPEAT_S, 0))
        if now_s - passed_s < REPEAT_S:
            self._passed[key] = passed_s, held + 1
            return False
        # Old entries go, so that a service that runs for months does not grow.
        # Kept for two periods: after one, an entry may still hold a count that its next message has to report.
        self._passed = {k: v for k, v in self._passed.items() if now_s - v[0] < 2 * REPEAT_S}
        self._passed[key] = now_s, 0
        if held:
            record.msg, record.args = f"{text} (x{held + 1} in {now_s - passed_s:.0f} s)", None
        return True
