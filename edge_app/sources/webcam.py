"""USB webcams and other V4L2 devices through OpenCV; `webcam`, `webcam:1`, `webcam:/dev/v4l/by-id/...`.

On Linux the camera's raw bytes (MJPG or YUYV) are used and decoded only as far as needed. Where raw bytes are not
available (macOS, other formats), OpenCV decodes.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import whole_jpeg
from edge_app.pictures.opencv import cv2
from edge_app.pictures.yuv import YuyvPicture
from edge_app.records import DEFAULT_FPS, DEFAULT_SIZE_PX, Picture
from edge_app.sources._contract import Found, Request, Source
from edge_app.sources._live import Camera, Capture, LiveSource
from edge_app.system import v4l2
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

PREFERRED = ("MJPG", "YUYV")  # The formats that can be used raw.
YUYV_BYTES_PER_PIXEL = 2
# Maximum for an uncompressed stream; above it MJPG is preferred. USB 2 reserves at most 24 MB/s for a camera (USB 2.0,
# 5.6.3: three packets of 1024 bytes per microframe), and other devices need a share: 320x240 at 30 frames/s takes
# 4.6 MB/s, 640x480 takes 18 MB/s.
LIGHT_BYTES_PER_S = 10e6
_LINUX = sys.platform == "linux"


def _query_device(path: str) -> v4l2.Device | None:
    return v4l2.query(path)


def _open_device(path: str) -> cv2.VideoCapture:
    return cv2.VideoCapture(path, cv2.CAP_V4L2) if _LINUX else cv2.VideoCapture(int(path))


@dataclass(frozen=True, slots=True)
class Drivers:
    """The functions that access webcams; tests use `_fake_webcam.FakeWebcam.drivers` instead.

    Attributes:
        query: like `v4l2.query`; called on Linux only.
        open: returns an OpenCV capture of the device at a path, opened or not.
    """

    query: Callable[[str], v4l2.Device | None] = _query_device
    open: Callable[[str], cv2.VideoCapture] = _open_device


def connect(request: Request, drivers: Drivers = Drivers()) -> Source:
    """Open a webcam.

    Raises:
        SourceError: the device does not exist, is busy, is not accessible or is not a camera.

    """
    return LiveSource(Webcam(request, drivers), request)


def discover() -> list[Found]:
    """List V4L2 capture devices; empty on other systems than Linux, where they cannot be listed."""
    if not _LINUX:
        return []
    return [Found(f"webcam:{device.path}", device.title, _listed(device.modes)) for device in v4l2.devices()]


def _listed(modes: tuple[v4l2.Mode, ...]) -> tuple[str, ...]:
    """Return one string per pixel format, with its sizes."""
    sizes: dict[str, list[str]] = {}
    for mode in modes:
        fourcc, _, size = str(mode).partition(" ")
        sizes.setdefault(fourcc, []).append(size)
    return tuple(f"{fourcc} {', '.join(found)}" for fourcc, found in sizes.items())


def claims(path: Path) -> bool:
    """Return whether this is a device node, given without `webcam:`."""
    return path.is_char_device()


class Webcam(Camera):
    """One device, opened with OpenCV. See `_live.Camera`."""

    hung_s = 5.0  # OpenCV waits at most 2 s for a picture; the first call also starts the stream.

    def __init__(self, request: Request, drivers: Drivers = Drivers()) -> None:
        self._request, self._drivers = request, drivers
        self._capture: cv2.VideoCapture | None = None
        self._fourcc = ""
        self._size_px = (0, 0)
        self._buffer_bytes = 0

    def open(self) -> str:
        """Open the device, negotiate format, size and rate, and read back the granted values."""
        path = _path(self._request.argument.reveal())
        device = _require(path, self._drivers) if _LINUX else None
        capture = self._drivers.open(path)
        if not capture.isOpened():
            capture.release()
            raise _refusal(path)
        self._negotiate(capture, choose_mode(device, self._request))
        self._capture = capture
        self._fourcc = _fourcc_name(capture.get(cv2.CAP_PROP_FOURCC))
        self._size_px = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
        is_raw = _LINUX and self._fourcc in PREFERRED and bool(capture.set(cv2.CAP_PROP_CONVERT_RGB, 0))
        if not is_raw:
            self._fourcc = ""
        # Reset on every opening: another mode may be granted, with buffers of another size.
        self._buffer_bytes = 0
        log.info(
            "webcam %s: granted %s %dx%d at %g frames/s",
            path,
            self._fourcc or "decoded frames",
            *self._size_px,
            capture.get(cv2.CAP_PROP_FPS),
        )
        return f"webcam:{path}"

    def read(self) -> Capture | None:
        """Take the next buffer. OpenCV gives up on a stalled camera after 2 s (see `pictures.opencv`)."""
        capture = self._grabbed()
        captured_s = _captured_s(capture)
        is_good, buffer = capture.retrieve()
        if not is_good or buffer is None:
            raise PictureError("the driver handed out an empty buffer")
        return Capture(self._picture(buffer), captured_s)

    def skip(self) -> int:
        """Take the next buffer without copying it."""
        self._grabbed()
        return 0

    def _grabbed(self) -> cv2.VideoCapture:
        if self._capture is None:
            raise CameraLost("the camera is closed")
        if not self._capture.grab():
            raise CameraLost("the camera gives no picture: unplugged, or its driver stalled")
        return self._capture

    def close(self) -> None:
        """Release the device."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _negotiate(self, capture: cv2.VideoCapture, mode: v4l2.Mode | None) -> None:
        # The order matters: drivers reset the size when the format changes, and the rate when the size changes.
        if mode is not None and mode.fourcc in PREFERRED:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*mode.fourcc))
        asked = self._request.camera.size
        width, height = (mode.width_px, mode.height_px) if mode else asked.px if asked else DEFAULT_SIZE_PX
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        capture.set(cv2.CAP_PROP_FPS, self._request.camera.fps or DEFAULT_FPS)

    def _picture(self, buffer: npt.NDArray[np.uint8]) -> Picture:
        if self._fourcc == "MJPG":
            return whole_jpeg(buffer.reshape(-1))
        if self._fourcc == "YUYV":
            return YuyvPicture(self._whole_yuyv(buffer))
        return ArrayPicture(buffer, "bgr")

    def _whole_yuyv(self, buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return a buffer as (H, W, 2); raise PictureError if it does not hold a picture of the granted size."""
        width, height = self._size_px
        if buffer.size < 2 * width * height:
            raise PictureError(f"a short YUYV buffer: {counted(buffer.size, 'byte')} instead of {2 * width * height}")
        if self._buffer_bytes and buffer.size != self._buffer_bytes:
            raise PictureError(
                f"buffers have grown from {self._buffer_bytes} to {counted(buffer.size, 'byte')}: another size?"
            )
        pairs = buffer.reshape(-1)[: 2 * width * height].reshape(height, width, 2)
        # Chroma is zero everywhere only in a buffer that the driver never filled; it would look green.
        if not pairs[::_SAMPLED, ::_SAMPLED, 1].any() and not pairs[..., 1].any():
            raise PictureError("an empty (green) picture")
        self._buffer_bytes = buffer.size
        return pairs


_SAMPLED = 16  # Every 16th pixel of every 16th row is checked first: checking all is slow.


def choose_mode(device: v4l2.Device | None, request: Request) -> v4l2.Mode | None:
    """Choose the cheapest sufficient mode of a device.

    Without a viewer, this is the smallest mode with at least `request.min_side_px`; with a viewer, the smallest of at
    least 640x480; with `request.camera.size`, that size. Raw formats are preferred to others, and YUYV, which needs no
    decoding, to MJPG if the bus can carry it.

    Returns:
        The mode; None if the device lists no suitable one, so that the driver has to choose.

    """
    modes = device.modes if device else ()
    raw = [mode for mode in modes if mode.fourcc in PREFERRED] or list(modes)
    asked = request.camera.size
    if asked:
        fitting = [mode for mode in raw if (mode.width_px, mode.height_px) == asked.px]
    else:
        side_px = DEFAULT_SIZE_PX[1] if request.wants_full else request.min_side_px
        fitting = [mode for mode in raw if min(mode.width_px, mode.height_px) >= side_px]
        # Many cameras crop the sensor for 11:9 (CIF, QCIF), which would change the field of view.
        fitting = [mode for mode in fitting if mode.width_px * 9 != mode.height_px * 11] or fitting

    def cost(mode: v4l2.Mode) -> tuple[int, int]:
        area, fps = mode.width_px * mode.height_px, request.camera.fps or DEFAULT_FPS
        # Above the default rate, many cameras offer only MJPG and would grant YUYV at a lower rate.
        is_light = YUYV_BYTES_PER_PIXEL * area * fps <= LIGHT_BYTES_PER_S and fps <= DEFAULT_FPS
        order = ("YUYV", "MJPG") if is_light else ("MJPG", "YUYV")
        return area, order.index(mode.fourcc) if mode.fourcc in order else len(order)

    return min(fitting, key=cost, default=None)


def _captured_s(capture: cv2.VideoCapture) -> float:
    """Return the kernel's capture time if it is on the monotonic clock and plausible, otherwise now."""
    now_s = time.monotonic()
    kernel_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3 if _LINUX else 0.0
    # A stamp of the wall clock lies in this clock's future, and a missing one (0) far in its past.
    return kernel_s if 0 <= now_s - kernel_s < 5 else now_s


def _path(argument: str) -> str:
    if not _LINUX:
        return argument or "0"
    if argument.startswith("/"):
        return argument
    if argument and not argument.isdigit():
        raise SourceError(f"webcam:{argument} is neither a number nor a path", _LIST)
    if argument:
        return f"/dev/video{argument}"
    found = v4l2.devices()
    if not found:
        raise SourceError("no webcam found", f"plug one in, or look at 'edge-app sources'{hidden_devices()}")
    return found[0].path


def hidden_devices() -> str:
    """Return a hint that lists the device nodes this user may not open: without permission, no camera is found."""
    nodes = map(str, v4l2.nodes()) if _LINUX else ()
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    return f" ({', '.join(closed)}: no permission, {_JOIN_GROUP})" if closed else ""


_LIST = "'edge-app sources' lists the cameras"
_JOIN_GROUP = "join the group with 'sudo usermod -aG video $USER' and log in again"


def _require(path: str, drivers: Drivers) -> v4l2.Device:
    """Query the device; raise SourceError with the reason if it is not a usable camera."""
    try:
        device = drivers.query(path)
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist", _LIST) from error
    except PermissionError as error:
        raise SourceError(f"no permission to open {path}", _JOIN_GROUP) from error
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise _refusal(path) from error
        raise SourceError(f"{path} does not answer as a camera: {error.strerror}", _LIST) from error
    if device is None:
        raise SourceError(f"{path} does not capture video", _LIST)
    return device


def _refusal(path: str) -> SourceError:
    if not _LINUX:
        return SourceError(
            f"webcam {path} cannot be opened: not there, in use, or forbidden to this program",
            "close the program that uses it, and allow this one the camera in the system's settings",
        )
    user = v4l2.holders([path]).get(path)
    if user:
        return SourceError(f"{path} is in use by {user}", "stop it or choose another camera")
    if os.geteuid() == 0:
        return SourceError(f"{path} cannot be opened: it is busy or not a camera", _LIST)
    # Only root can see in /proc which files the processes of other users have open.
    return SourceError(
        f"{path} cannot be opened: in use by another user's program?", f"'sudo fuser -v {path}' names it"
    )


def _fourcc_name(value: float) -> str:
    return int(value).to_bytes(4, "little", signed=False).decode("latin-1") if value > 0 else ""
