"""What the author of a live camera writes: `Camera`, whose `read` returns a `Capture`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from edge_app.records import Picture


@dataclass(frozen=True, slots=True)
class Capture:
    """What one capture call brings.

    Attributes:
        picture: the picture.
        captured_s: when it was taken, monotonic clock.
        truth: the label it is known to show, if known.
        missed: frames the camera itself lost since the last call.
    """

    picture: Picture
    captured_s: float
    truth: str | None = None
    missed: int = 0


class Camera(ABC):
    """A live device. All its methods are called by the capture thread alone.

    Attributes:
        patience: openings without a picture after which only a new process helps; None for any number.
        hung_s: seconds after which a capture call never returns; longer than any that comes back by itself takes.
    """

    patience: int | None = None
    hung_s: float = 9.0  # a picture over the network may wait 2 s each for the link, an answer and data

    @abstractmethod
    def open(self) -> str:
        """Open (or reopen) the device and return the string that selects it.

        Raises:
            SourceError: it cannot be opened now.
        """

    @abstractmethod
    def read(self) -> Capture | None:
        """Wait for the next picture, at most about a second; None if there was none.

        Raises:
            CameraLost: the device is gone and has to be reopened.
            PictureError: this one picture is damaged.
        """

    def skip(self) -> int | None:
        """Wait for the next picture and leave it, as cheaply as can be. Raises as `read`.

        Returns:
            What `Capture.missed` would say of it; None if there was none.
        """
        capture = self.read()
        return None if capture is None else capture.missed

    @abstractmethod
    def close(self) -> None:
        """Give the device back; harmless when it is not open."""
