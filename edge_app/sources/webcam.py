"""USB webcams and other V4L2 devices through OpenCV; `webcam`, `webcam:1`, `webcam:/dev/v4l/by-id/...`.

On Linux the camera's own bytes are taken (MJPG or YUYV) and decoded only as far as somebody asks. Where raw bytes
are not to be had (macOS, odd formats) OpenCV decodes.
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
from edge_app.system.masking import masked
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

PREFERRED = ("MJPG", "YUYV")  # What can be taken raw.
YUYV_BYTES_PER_PIXEL = 2
# Of a camera's uncompressed stream; more goes as MJPG. USB 2 reserves 24 MB/s for a camera at most (USB 2.0, 5.6.3:
# three packets of 1024 bytes each microframe), and others want some: 320x240 at 30 frames/s takes 4.6, 640x480 18.
LIGHT_BYTES_PER_S = 10e6
_LINUX = sys.platform == "linux"


def _query_device(path: str) -> v4l2.Device | None:
    return v4l2.query(path)


def _open_device(path: str) -> cv2.VideoCapture:
    return cv2.VideoCapture(path, cv2.CAP_V4L2) if _LINUX else cv2.VideoCapture(int(path))


@dataclass(frozen=True, slots=True)
class Drivers:
    """How webcams are reached; `_fake_webcam.FakeWebcam.drivers` is another way.

    Attributes:
        query: as `v4l2.query`; asked on Linux only.
        open: returns an OpenCV capture of the device at a path, open or not.
    """

    query: Callable[[str], v4l2.Device | None] = _query_device
    open: Callable[[str], cv2.VideoCapture] = _open_device


def connect(request: Request, drivers: Drivers = Drivers()) -> Source:
    """Open a webcam.

    Raises:
        SourceError: none is there, or it is busy, forbidden or not a camera; says which and what to try.

    """
    return LiveSource(Webcam(request, drivers), request)


def discover() -> list[Found]:
    """List V4L2 capture devices; elsewhere than on Linux there is no way to ask, and none is listed."""
    if not _LINUX:
        return []
    return [Found(f"webcam:{device.path}", device.title, _listed(device.modes)) for device in v4l2.devices()]


def _listed(modes: tuple[v4l2.Mode, ...]) -> tuple[str, ...]:
    """Return one text for each pixel format, with its sizes."""
    sizes: dict[str, list[str]] = {}
    for mode in modes:
        fourcc, _, size = str(mode).partition(" ")
        sizes.setdefault(fourcc, []).append(size)
    return tuple(f"{fourcc} {', '.join(found)}" for fourcc, found in sizes.items())


def claims(path: Path) -> bool:
    """Take a device node that is named without `webcam:`."""
    return path.is_char_device()


class Webcam(Camera):
    """One device, opened with OpenCV. See `_live.Camera`."""

    hung_s = 5.0  # OpenCV is told to wait 2 s; the first call starts the stream too

    def __init__(self, request: Request, drivers: Drivers = Drivers()) -> None:
        self._request, self._drivers = request, drivers
        self._capture: cv2.VideoCapture | None = None
        self._fourcc = ""
        self._size_px = (0, 0)
        self._buffer_bytes = 0

    def open(self) -> str:
        """Open the device, negotiate format, size and rate, and read back what was granted."""
        path = _path(self._request.argument)
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
        """Take the next buffer and copy nothing out of it."""
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
        # The order matters: drivers reset the size when the format changes, and the rate when the size does.
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
        """Return a buffer as (H, W, 2), unless it is none of a picture of the size granted."""
        width, height = self._size_px
        if buffer.size < 2 * width * height:
            raise PictureError(f"a short YUYV buffer: {counted(buffer.size, 'byte')} instead of {2 * width * height}")
        if self._buffer_bytes and buffer.size != self._buffer_bytes:
            raise PictureError(
                f"buffers have grown from {self._buffer_bytes} to {counted(buffer.size, 'byte')}: another size?"
            )
        pairs = buffer.reshape(-1)[: 2 * width * height].reshape(height, width, 2)
        # No scene has zeros for colour everywhere: a buffer that the driver never filled, seen as green.
        if not pairs[::_SAMPLED, ::_SAMPLED, 1].any() and not pairs[..., 1].any():
            raise PictureError("an empty (green) picture")
        self._buffer_bytes = buffer.size
        return pairs


_SAMPLED = 16  # Every sixteenth pixel of every sixteenth row is looked at first.


def choose_mode(device: v4l2.Device | None, request: Request) -> v4l2.Mode | None:
    """Choose the cheapest of a device's modes that serves.

    Without a viewer that is the smallest that still gives `request.min_side_px`; with one the smallest of at least
    640x480; with `request.camera.size` that size. Raw formats go before others; YUYV, which needs no decoding, before
    MJPG where it is light enough for the bus.

    Returns:
        The mode; None where the device lists none that fits, and the driver has to choose.

    """
    modes = device.modes if device else ()
    raw = [mode for mode in modes if mode.fourcc in PREFERRED] or list(modes)
    asked = request.camera.size
    if asked:
        fitting = [mode for mode in raw if (mode.width_px, mode.height_px) == asked.px]
    else:
        side_px = DEFAULT_SIZE_PX[1] if request.wants_full else request.min_side_px
        fitting = [mode for mode in raw if min(mode.width_px, mode.height_px) >= side_px]
        # 11:9 (CIF, QCIF) is cut out of the sensor by many cameras: the view would depend on the mode.
        fitting = [mode for mode in fitting if mode.width_px * 9 != mode.height_px * 11] or fitting

    def cost(mode: v4l2.Mode) -> tuple[int, int]:
        area, fps = mode.width_px * mode.height_px, request.camera.fps or DEFAULT_FPS
        # Above the usual rate many cameras have MJPG alone, and grant YUYV at a lower one.
        is_light = YUYV_BYTES_PER_PIXEL * area * fps <= LIGHT_BYTES_PER_S and fps <= DEFAULT_FPS
        order = ("YUYV", "MJPG") if is_light else ("MJPG", "YUYV")
        return area, order.index(mode.fourcc) if mode.fourcc in order else len(order)

    return min(fitting, key=cost, default=None)


def _captured_s(capture: cv2.VideoCapture) -> float:
    """Return the kernel's time of capture, if it is on the monotonic clock and believable, else now."""
    now_s = time.monotonic()
    kernel_s = float(capture.get(cv2.CAP_PROP_POS_MSEC)) / 1e3 if _LINUX else 0.0
    return kernel_s if 0 <= now_s - kernel_s < 5 else now_s


def _path(argument: str) -> str:
    if not _LINUX:
        return argument or "0"
    if argument.startswith("/"):
        return argument
    if argument and not argument.isdigit():
        raise SourceError(f"webcam:{masked(argument)} is neither a number nor a path", _LIST)
    if argument:
        return f"/dev/video{argument}"
    found = v4l2.devices()
    if not found:
        raise SourceError("no webcam found", f"plug one in, or look at 'edge-app sources'{hidden_devices()}")
    return found[0].path


def hidden_devices() -> str:
    """Name the nodes this user may not open: they look like no camera at all."""
    nodes = map(str, v4l2.nodes()) if _LINUX else ()
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    return f" ({', '.join(closed)}: no permission, {_JOIN_GROUP})" if closed else ""


_LIST = "'edge-app sources' lists the cameras"
_JOIN_GROUP = "join the group with 'sudo usermod -aG video $USER' and log in again"


def _require(path: str, drivers: Drivers) -> v4l2.Device:
    """Ask the device what it is; say what is wrong when it does not answer."""
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
            f"webcam {masked(path)} cannot be opened: not there, in use, or forbidden to this program",
            "close what uses it, and allow this program the camera in the system's settings",
        )
    user = v4l2.holders([path]).get(path)
    if user:
        return SourceError(f"{path} is in use by {user}", "stop it or choose another camera")
    if os.geteuid() == 0:
        return SourceError(f"{path} cannot be opened: it is busy or no camera", _LIST)
    # Of other users' processes /proc shows root alone which files they have open.
    return SourceError(
        f"{path} cannot be opened: in use by another user's program?", f"'sudo fuser -v {path}' names it"
    )


def _fourcc_name(value: float) -> str:
    return int(value).to_bytes(4, "little", signed=False).decode("latin-1") if value > 0 else ""
