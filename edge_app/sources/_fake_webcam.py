"""A webcam without hardware, for tests: it answers where OpenCV and V4L2 would. See `webcam.Drivers`."""

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
    """A camera that begins with its one mode, grants what it is asked for, and hands out one buffer again and again.

    It stands for `cv2.VideoCapture` as far as `webcam` uses it, and keeps what it was asked.

    Args:
        mode: what it lists.
        buffer: what a picture of it looks like in memory, of any shape, uint8; None for a camera that is gone.

    Attributes:
        buffer: as above; may be changed while it is open.
        asked: the properties that were set, in order.
        opened: how often it was opened.
        is_held: whether it is open now.
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
        """What `webcam.connect` takes to find this camera, at whatever path."""
        return Drivers(lambda path: Device(path, "fake", (self.mode,)), self._open)

    def _open(self, _path: str) -> Any:
        self.opened, self.is_held = self.opened + 1, True
        return self

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        """Return whether it is open."""
        return self.is_held

    def set(self, key: int, value: float) -> bool:
        """Grant it."""
        self.asked.append(key)
        self._granted[key] = value
        return True

    def get(self, key: int) -> float:
        """Return what was granted."""
        return self._granted.get(key, 0.0)

    def grab(self) -> bool:
        """Succeed as long as there is a buffer."""
        return self.buffer is not None

    def retrieve(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Hand the buffer out."""
        return True, self.buffer

    def release(self) -> None:
        """Let it go."""
        self.is_held = False
