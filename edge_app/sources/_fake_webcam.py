"""A simulated webcam for tests; replaces OpenCV and V4L2. See `webcam.Drivers`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edge_app.pictures.opencv import cv2
from edge_app.sources.webcam import Drivers
from edge_app.system.v4l2 import Device, Mode


def jpeg(level: int = 77, size_px: tuple[int, int] = (64, 48)) -> npt.NDArray[np.uint8]:
    """Encode a grey picture: (N,) uint8."""
    return cv2.imencode(".jpg", np.full((size_px[1], size_px[0], 3), level, np.uint8))[1].reshape(-1)


class FakeWebcam:
    """A camera that starts in its one mode, grants every request and returns the same buffer again and again.

    Implements the part of `cv2.VideoCapture` that `webcam` uses, and records the properties set.

    Args:
        mode: the only mode it lists.
        buffer: every picture in memory, uint8, any shape; None for a camera that is gone.

    Attributes:
        buffer: as above; may be changed while the camera is open.
        asked: the properties that were set, in order.
        opened: how often it was opened.
        is_held: whether it is open.
    """

    def __init__(self, mode: Mode, buffer: npt.NDArray[np.uint8] | None) -> None:
        self.mode, self.buffer = mode, buffer
        self.asked: list[int] = []
        self.opened, self.is_held = 0, False
        self._granted: dict[int, float] = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*mode.fourcc),
            cv2.CAP_PROP_FRAME_WIDTH: mode.width_px,
            cv2.CAP_PROP_FRAME_HEIGHT: mode.height_px,
        }

    @property
    def drivers(self) -> Drivers:
        """Drivers with which `webcam.connect` finds this camera at any path."""
        return Drivers(lambda path: Device(path, "fake", (self.mode,)), self._open)

    def _open(self, _path: str) -> Any:
        self.opened, self.is_held = self.opened + 1, True
        return self

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        """Return whether it is open."""
        return self.is_held

    def set(self, key: int, value: float) -> bool:
        """Grant the value."""
        self.asked.append(key)
        self._granted[key] = value
        return True

    def get(self, key: int) -> float:
        """Return the granted value."""
        return self._granted.get(key, 0.0)

    def grab(self) -> bool:
        """Succeed if there is a buffer."""
        return self.buffer is not None

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Return the buffer."""
        return True, self.buffer

    def release(self) -> None:
        """Release it."""
        self.is_held = False
