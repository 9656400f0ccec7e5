"""The contract of a sink, what a run tells one, and the guard that keeps a failing one from stopping anything.

A sink is one file in this folder; its name is the module's name. The module defines `connect(destination) -> Sink`.
Modules beginning with an underscore are not sinks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

from edge_app.metering import Stages
from edge_app.records import Picture, Result
from edge_app.settings.sections import OutputOptions


@dataclass(frozen=True, slots=True)
class Destination:
    """What a sink is opened with.

    Attributes:
        argument: what stood behind the name and colon, such as the file of `log:FILE`.
        output: the settings.
        title: for a window.
        stages: how long each stage of the last minute's frames took.
        stop: set it to end the run.
    """

    argument: str = ""
    output: OutputOptions = field(default_factory=OutputOptions)
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
