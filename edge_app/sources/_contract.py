"""The contract of a source, and the request it is opened with.

A source is one file in this folder; its name is the module's name. The module defines

    connect(request) -> Source          always
    discover() -> list[Found]           if it can list cameras
    SCHEMES = ("rtsp", ...)             if it also accepts URLs
    claims(path) -> bool                if it also accepts paths; add its name to OF_PATHS then

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
from edge_app.secret import Secret
from edge_app.settings.sections import CameraOptions

# The loop polls a live source at this interval even at a lower --rate, so that outages are reported.
LOOK_S = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a source is opened with.

    Attributes:
        camera: the settings. If the size or frame rate is None, the source chooses. Frames not taken because of the
            classification rate count as skipped, not dropped.
        argument: the text after the name and colon ("/dev/video1" in "webcam:/dev/video1"), the URL, or the path; it
            may hold a password, so it shows itself masked, and `reveal` returns what to open. A str becomes a Secret.
        min_side_px: pixels on the short side that suffice for the model.
        wants_full: full size matters, because there is a viewer.
        needs_camera: fail if no camera is found, instead of using the synthetic one.
        stop: set to end the run; every wait of a source then ends within 0.25 s.
    """

    camera: CameraOptions = field(default_factory=CameraOptions)
    argument: Secret = field(default_factory=lambda: Secret(""))
    min_side_px: int = 112
    wants_full: bool = False
    needs_camera: bool = False
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Accept a str as the argument."""
        object.__setattr__(self, "argument", Secret.of(self.argument))


class Closeable(ABC):
    """Base of objects that must be closed; leaving the `with` block closes them."""

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close, also after an exception."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Release all resources. May be called at any time and more than once."""


class Source(Protocol):
    """Where frames come from. Iterating yields frames, and outages while there are none, until the source ends.

    Leaving its `with` block or calling `close` closes a source.

    Attributes:
        name: the string that selects it, with `auto` and defaults resolved.
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
        """Release the camera or file and end the iteration. May be called at any time and more than once."""


@dataclass(frozen=True, slots=True)
class Found:
    """A camera found on this machine.

    Attributes:
        select: the string that selects it.
        title: the name it reports.
        modes: its modes, one line per pixel format.
        problem: why it cannot be used now, and what to try; None if it can be used.
    """

    select: str
    title: str
    modes: tuple[str, ...] = ()
    problem: str | None = None
