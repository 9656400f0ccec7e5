"""The guard that keeps a failing sink from stopping the run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from edge_app.records import Picture, Result
from edge_app.sinks._contract import Sink
from edge_app.system.wording import counted

log = logging.getLogger(__name__)


class Guard:
    """A sink that never raises: it counts the inner sink's errors and logs them at most once a minute.

    Args:
        sink: the inner sink.
        clock: monotonic seconds.

    Attributes:
        failures: how often the inner sink has failed.
        problem: the current error; None while the sink works.
    """

    REPEAT_S = 60.0

    def __init__(self, sink: Sink, clock: Callable[[], float] = time.monotonic) -> None:
        self._sink, self._clock = sink, clock
        self.name, self.wants_picture = sink.name, sink.wants_picture
        self.failures = 0
        self.problem: str | None = None
        self._unlogged = 0
        # Not 0: monotonic clocks may start there, and failures in the first minute would go unlogged.
        self._logged_s = -self.REPEAT_S

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Pass the result on."""
        self._attempt(lambda: self._sink.emit(result, picture))

    def close(self) -> None:
        """Close the sink, and log how often it failed, if it did."""
        self._attempt(self._sink.close)
        if self.failures:
            log.warning("%s: failed %s", self.name, counted(self.failures, "time"))

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
            self.problem = None
        except Exception as error:  # noqa: BLE001  # classification goes on, whatever a sink raises
            self.problem = str(error)
            self.failures += 1
            self._unlogged += 1
            self._report(error)

    def _report(self, error: Exception) -> None:
        now_s = self._clock()
        if now_s - self._logged_s >= self.REPEAT_S:
            log.warning("%s: %s%s", self.name, error, f" (x{self._unlogged})" if self._unlogged > 1 else "")
            self._logged_s, self._unlogged = now_s, 0
