"""The contract of a sink, what a run tells one, and the guard that keeps a failing one from stopping anything.

A sink is one file in this folder; its name is the module's name. The module defines `connect(request) -> Sink`.
Modules beginning with an underscore are not sinks.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import Literal, Protocol

from edge_app.metering import Stages
from edge_app.records import Picture, Result

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
