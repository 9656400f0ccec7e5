"""How messages reach stderr: one line each, with priorities for journald, repeated ones counted instead of said."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from typing import IO

REPEAT_S = 60.0
# syslog(3): what systemd takes from the beginning of a line, sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
_NUMBERS = re.compile(r"\d+(\.\d+)?")


def set_up(is_verbose: bool) -> None:
    """Send the package's messages to stderr: everything from warnings on, or all that is said."""
    handler = logging.StreamHandler(sys.stderr)
    logging.basicConfig(handlers=[handler], level=logging.INFO if is_verbose else logging.WARNING)
    if is_journal(sys.stderr):
        handler.setFormatter(ForJournal("%(message)s"))
        handler.addFilter(Once())
    elif sys.stderr is not None and sys.stderr.isatty():
        # The status line may stand where a message is to go: erase it first.
        handler.setFormatter(logging.Formatter("\r\x1b[Kedge-app: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("edge-app: %(message)s"))


def is_journal(stream: IO[str] | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether a stream is connected to journald, which tells its device and inode in JOURNAL_STREAM."""
    if stream is None or "JOURNAL_STREAM" not in environment:
        return False
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment["JOURNAL_STREAM"] == f"{status.st_dev}:{status.st_ino}"


class ForJournal(logging.Formatter):
    """Begins each line with its priority; journald takes it off again."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record."""
        priority = _PRIORITIES.get(record.levelno, 5)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class Once(logging.Filter):
    """Lets a message below an error through once a minute, with how often it was held back; its numbers may differ.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}  # when, and how often held back since

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether to let a record through; what was held back is added to its text."""
        if record.levelno >= logging.ERROR:
            return True  # Asked for by somebody, as a reload is, or the end: silence would be taken for success.
        now_s = self._clock()
        text = record.getMessage()
        key = _NUMBERS.sub("#", text)
        said_s, held = self._said.get(key, (-REPEAT_S, 0))
        if now_s - said_s < REPEAT_S:
            self._said[key] = said_s, held + 1
            return False
        self._said = {k: v for k, v in self._said.items() if now_s - v[0] < 2 * REPEAT_S}  # nothing grows for ever
        self._said[key] = now_s, 0
        if held:
            record.msg, record.args = f"{text} (x{held + 1} in {now_s - said_s:.0f} s)", None
        return True
