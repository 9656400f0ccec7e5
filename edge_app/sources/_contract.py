"""The contract of a source, and what a run asks of one.

A source is one file in this folder; its name is the module's name. The module defines

    connect(request) -> Source          always
    discover() -> list[Found]           if it can list cameras
    SCHEMES = ("rtsp", ...)             if it also answers to URLs
    claims(path) -> bool                if it also answers to paths; its name is in OF_PATHS then

Modules beginning with an underscore are not sources. A live camera is a `_live.Camera` and returns
`_live.LiveSource(its camera, request)`; everything else implements `Source` itself and inherits `Closeable`.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol, Self

from edge_app.records import Frame, Outage
from edge_app.settings.sections import CameraOptions

# The loop looks at a live source so often even if it wants a frame more rarely, and lets it tell an outage.
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a source is opened with.

    Attributes:
        camera: the settings. A size or rate of frames that is None lets the source choose; frames that nobody takes
            because of the rate of classifications are skipped, not dropped.
        argument: what stood behind the name and colon ("/dev/video1" of "webcam:/dev/video1"), the URL, or the path.
        min_side_px: pixels on the short side that serve the model.
        wants_full: somebody looks at the pictures: full size matters.
        needs_camera: what is drawn does not do where no camera is found.
        stop: set when the run is to end; every wait of a source ends within 0.25 s of it.
    """

    camera: CameraOptions = field(default_factory=CameraOptions)
    argument: str = ""
    min_side_px: int = 112
    wants_full: bool = False
    needs_camera: bool = False
    stop: threading.Event = field(default_factory=threading.Event)


class Closeable(ABC):
    """Something to be closed, which the end of its `with` block does."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close, whatever has happened."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Give back what is held. Callable at any time, more than once."""


class Source(Protocol):
    """Where frames come from. Iterating yields frames, and outages while there are none; it ends with the source.

    A source is closed by leaving its `with` block, or by `close`.

    Attributes:
        name: the string that selects it, with what `auto` or a default stood for filled in.
        is_sequence: neighbouring frames show the same scene, so that smoothing makes sense.
        is_live: frames that are not taken in time are lost.
        dropped: frames lost so far.
    """

    @property
    def name(self) -> str:
        """The string that selects it."""

    @property
    def is_sequence(self) -> bool:
        """Whether neighbouring frames show the same scene."""

    @property
    def is_live(self) -> bool:
        """Whether frames that are not taken in time are lost."""

    @property
    def dropped(self) -> int:
        """Frames lost so far."""

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield frames and outages until the source ends or `Request.stop` is set."""

    def __enter__(self) -> Self:
        """Return the source itself."""

    def __exit__(self, *_error: object) -> None:
        """Close it."""

    def close(self) -> None:
        """Give the camera or file back, and end the iteration. Callable at any time, more than once."""


@dataclass(frozen=True, slots=True)
class Found:
    """One camera that is there.

    Attributes:
        select: the string that selects it.
        title: what it calls itself.
        modes: what it offers, one line for each pixel format.
        problem: why it cannot be used now, and what to try; None if it can.
    """

    select: str
    title: str
    modes: tuple[str, ...] = ()
    problem: str | None = None
