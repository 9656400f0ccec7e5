"""The contract of a sink, and what a sink is opened with.

A sink is one file in this folder, named after the sink. It defines `connect(destination) -> Sink`.
Modules beginning with an underscore are not sinks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

from edge_app.metering import Stages
from edge_app.records import Picture, Result
from edge_app.secret import Secret
from edge_app.settings.sections import OutputOptions


@dataclass(frozen=True, slots=True)
class Destination:
    """What a sink is opened with.

    Attributes:
        argument: the text after the colon, such as the file in `log:FILE`; see `sources.Request`.
        output: the settings.
        title: the window's title.
        stages: how long each stage of the last minute's frames took.
        stop: set it to end the run.
        keeps_trying: a destination that cannot be opened is tried again with every result, instead of refused.
    """

    argument: Secret = field(default_factory=lambda: Secret(""))
    output: OutputOptions = field(default_factory=OutputOptions)
    title: str = "edge-app"
    stages: Stages = field(default_factory=Stages)
    stop: threading.Event = field(default_factory=threading.Event)
    keeps_trying: bool = False

    def __post_init__(self) -> None:
        """Accept a str as the argument."""
        object.__setattr__(self, "argument", Secret.of(self.argument))


class Sink(Protocol):
    """Where results go.

    Attributes:
        name: shown in messages.
        wants_picture: whether the sink shows pictures; sources then deliver them at full size.
    """

    name: str
    wants_picture: bool

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Deliver one result and its picture; an outage has no picture.

        Raises:
            SinkError: this result could not be delivered; the next one may be.
        """

    def close(self) -> None:
        """Flush, and release all resources. May be called more than once."""
