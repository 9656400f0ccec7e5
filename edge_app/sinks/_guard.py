"""The guard that keeps a failing sink from stopping anything."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edge_app.records import Picture, Result
from edge_app.sinks._contract import Sink
from edge_app.system.wording import counted

log = logging.getLogger(__name__)


class Guard:
    """A sink that never fails: what the inner one raises is counted, said once, then at most once a minute.

    Args:
        sink: the real one.
        clock: monotonic seconds.

    Attributes:
        failures: how often the sink has failed.
        problem: what is wrong now; None while it delivers.
    """

    REPEAT_S = 60.0

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink, self._clock = sink, clock
        self.name, self.wants_picture = sink.name, sink.wants_picture
        self.failures = 0
        self.problem: str | None = None
        self._unsaid = 0
        self._said_s = -self.REPEAT_S

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Pass the result on."""
        self._attempt(lambda: self._sink.emit(result, picture))

    def close(self) -> None:
        """Close the sink, and say how much was lost if anything was."""
        self._attempt(self._sink.close)
        if self.failures:
            log.warning("%s: failed %s", self.name, counted(self.failures, "time"))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
            self.problem = None
        except Exception as error:  # noqa: BLE001  # whatever breaks in a sink, classification goes on
            self.problem = str(error)
            self.failures += 1
            self._unsaid += 1
            self._say(error)

    def _say(self, error: Exception) -> None:
        now_s = self._clock()
        if now_s - self._said_s >= self.REPEAT_S:
            log.warning("%s: %s%s", self.name, error, f" (x{self._unsaid})" if self._unsaid > 1 else "")
            self._said_s, self._unsaid = now_s, 0
