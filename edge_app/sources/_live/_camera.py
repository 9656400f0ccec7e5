"""The interface that the author of a live camera implements: `Camera`, whose `read` returns a `Capture`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from edge_app.records import Picture


@dataclass(frozen=True, slots=True)
class Capture:
    """The result of one capture call.

    Attributes:
        picture: the picture.
        captured_s: when it was captured, monotonic clock.
        truth: its true label, if known.
        missed: frames lost in the camera since the last call.
    """

    picture: Picture
    captured_s: float
    truth: str | None = None
    missed: int = 0


class Camera(ABC):
    """A live device. Only the capture thread calls its methods.

    Attributes:
        patience: number of openings without a picture after which only a new process helps; None for no limit.
        hung_s: seconds after which a capture call counts as hung; longer than the slowest call that still returns.
    """

    patience: int | None = None
    hung_s: float = 9.0  # a network picture may take 2 s each for the connection, the answer and the data

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
        """Wait for the next picture and discard it as cheaply as possible. Raises the same errors as `read`.

        Returns:
            The value `Capture.missed` would have; None if there was no picture.
        """
        capture = self.read()
        return None if capture is None else capture.missed

    @abstractmethod
    def close(self) -> None:
        """Release the device; does nothing if it is not open."""
