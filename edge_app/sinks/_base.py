"""The contract of a sink, what a run tells one, and the guard that keeps a failing one from stopping anything.

A sink is one file in this folder; its name is the module's name. The module defines `connect(request) -> Sink`.
Modules beginning with an underscore are not sinks.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edge_app.metering import Stages
from edge_app.records import Picture, Result

log = logging.getLogger(__name__)

When = Literal["every", "change", "periodic"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a run tells a sink.

    Attributes:
        argument: what stood behind the name and colon, such as the file of `log:FILE`.
        when: which results are written: every one, those that change the state or label (and a heartbeat), or one
            every `period_s`.
        period_s: of "periodic", and of the heartbeat of "change".
        max_bytes: size at which a file is rotated.
        max_age_s: age at which it is, counted from the first line that this process wrote to it.
        keep: how many rotated files stay.
        sync_s: seconds after which the disk has to keep what was written; 0 leaves it to the system.
        title: for a window.
        stages: how long each stage of the last minute's frames took.
        stop: set it to end the run.
    """

    argument: str = ""
    when: When = "every"
    period_s: float = 60.0
    max_bytes: int = 16 * 2**20
    max_age_s: float = math.inf
    keep: int = 3
    sync_s: float = 5.0
    title: str = "edge-app"
    stages: Stages = field(default_factory=Stages)
    stop: threading.Event = field(default_factory=threading.Event)


class Sink(Protocol):
    """Where results go.

    Attributes:
        name: for messages.
        wants_picture: it draws the picture at full size; sources then deliver one worth looking at.
    """

    name: str
    wants_picture: bool

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Take one result, and its picture unless there is none (an outage).

        Raises:
            SinkError: it could not be delivered; the next one may be.
        """

    def close(self) -> None:
        """Flush and give everything back. Callable more than once."""


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
            log.warning("%s: failed %d times", self.name, self.failures)

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
