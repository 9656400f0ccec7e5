"""CSI cameras of a Raspberry Pi through picamera2; `picamera`, `picamera:1`.

The ISP shrinks each frame in hardware: classification uses the small `lores` stream; the `main` stream is fetched
only for a viewer, or if the camera has no `lores`.
"""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_app.errors import CameraLost, DependencyMissing, PictureError, SourceError, one_line
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.yuv import BT601, BT601_FULL, BT709, ColorStandard, Yuv420Picture
from edge_app.records import DEFAULT_FPS, DEFAULT_SIZE_PX, Box, Picture, Pixels
from edge_app.sources._contract import Found, Request, Source
from edge_app.sources._live import Camera, Capture, LiveSource
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

# Without a limit, capture_request blocks while the sensor is silent, and the end of the run goes unnoticed.
WAIT_S = 1.0


def connect(request: Request, picamera2: Any = None) -> Source:
    """Open a CSI camera.

    Args:
        request: what to open the camera with.
        picamera2: the class `Picamera2` or a compatible one; None for the installed one.

    Raises:
        DependencyMissing: picamera2 is not installed.
        SourceError: the camera does not exist or is busy.

    """
    return LiveSource(Picamera(request, picamera2), request)


def discover(picamera2: Any = None) -> list[Found]:
    """List the cameras picamera2 finds; none if it is not installed.

    libcamera also finds USB cameras (recognisable by their id); those are left to `webcam`, which suits them better.
    """
    try:
        cameras = (picamera2 or _picamera2()).global_camera_info()
    except DependencyMissing:
        return []
    return [
        Found(f"picamera:{number}", str(info.get("Model", "?")))
        for number, info in enumerate(cameras)
        if "/usb" not in str(info.get("Id", ""))
    ]


def _picamera2() -> Any:
    try:
        from picamera2 import Picamera2
    except (ImportError, ValueError) as error:  # ValueError: "numpy.dtype size changed", two numpys at once.
        raise DependencyMissing(
            f"picamera2 cannot be imported ({one_line(error)})",
            "on a Raspberry Pi 'sudo apt install python3-picamera2' and use an environment made with "
            "--system-site-packages ('make run' does)",
        ) from error
    return Picamera2


class Picamera(Camera):
    """One CSI camera. The `Picamera2` object is made once and reused. See `_live.Camera`."""

    # After "frontend has timed out", either flushing, stopping and starting helps, or only a new process does.
    patience = 3

    def __init__(self, request: Request, picamera2: Any = None) -> None:
        self._request, self._picamera2 = request, picamera2
        self._camera: Any = None
        self._streams: dict[str, dict[str, Any]] = {}

    def open(self) -> str:
        """Create the object if necessary, configure `main` and `lores`, start."""
        number = _number(self._request.argument.reveal())
        if self._camera is None:
            self._camera = _acquire(number, self._picamera2 or _picamera2())
        try:
            self._camera.configure(self._configuration())
            self._camera.start()
        except (RuntimeError, ValueError, IndexError) as error:
            raise SourceError(
                f"picamera:{number} does not start: {one_line(error)}",
                "try 'rpicam-hello', and leave --size and --fps out",
            ) from error
        granted = self._camera.camera_configuration()
        self._streams = {name: granted[name] for name in ("main", "lores") if granted.get(name)}
        for name, stream in self._streams.items():
            log.info("picamera:%d: %s is %s %dx%d", number, name, stream["format"], *stream["size"])
            if stream["format"] not in (*_PLANAR, *_PACKED):
                self.close()
                raise SourceError(f"picamera:{number} delivers {stream['format']}, which is not handled", "try webcam")
        return f"picamera:{number}"

    def read(self) -> Capture | None:
        """Wait up to a second for the next request and take its arrays."""
        request = self._request_done()
        try:
            metadata = request.get_metadata()
            pictures = {name: self._picture(name, request.make_array(name)) for name in self._wanted()}
        except (RuntimeError, ValueError, OSError) as error:
            if isinstance(error, PictureError):
                raise
            raise CameraLost(f"the camera's buffer cannot be read: {one_line(error)}") from error
        finally:
            # libcamera has few buffers: each request that is not released takes one away until capture stalls.
            request.release()
        small = pictures.get("lores") or pictures["main"]
        picture = SmallAndFull(small, pictures["main"]) if len(pictures) == 2 else small
        return Capture(picture, _captured_s(metadata))

    def skip(self) -> int:
        """Wait for the next request without copying its arrays."""
        self._request_done().release()
        return 0

    def _request_done(self) -> Any:
        try:
            return self._camera.capture_request(wait=WAIT_S)
        except TimeoutError as error:
            raise CameraLost("the camera's frontend timed out") from error
        except RuntimeError as error:
            raise CameraLost(f"the camera failed: {one_line(error)}") from error

    def close(self) -> None:
        """Stop the stream; keep the object for the next `open`."""
        if self._camera is None:
            return
        try:
            # Before stop: a capture that timed out is still queued, and would take the first picture after the restart.
            self._camera.cancel_all_and_flush()
            self._camera.stop()
        except RuntimeError as error:
            log.warning("picamera: stop failed: %s", error)

    def _configuration(self) -> dict[str, Any]:
        request = self._request
        full = request.camera.size.px if request.camera.size else DEFAULT_SIZE_PX
        small = lores_size(full, request.min_side_px)
        streams = {"main": {"size": full, "format": "RGB888"}}
        # Only a Raspberry Pi's ISP has a second stream; picamera2 also recognises its cameras by this property.
        if min(small) < min(full) and "ColorFilterArrangement" in self._camera.camera_properties:
            streams["lores"] = {"size": small, "format": "YUV420"}
        # `FrameRate` sets `FrameDurationLimits`; setting a control that the camera lacks is an error.
        has_rate = "FrameDurationLimits" in self._camera.camera_controls
        controls = {"FrameRate": request.camera.fps or DEFAULT_FPS} if has_rate else {}
        return dict(self._camera.create_video_configuration(**streams, controls=controls))

    def _wanted(self) -> list[str]:
        if "lores" not in self._streams:
            return ["main"]
        return ["lores", "main"] if self._request.wants_full else ["lores"]

    def _picture(self, name: str, array: npt.NDArray[np.uint8]) -> Picture:
        # The array is a copy of the buffer, so it remains valid after the request is released.
        return to_picture(array, self._streams[name], self._camera.camera_configuration().get("colour_space"))


class SmallAndFull:
    """One frame in two sizes; the small one is used where it suffices."""

    def __init__(self, small: Picture, full: Picture) -> None:
        self._small, self._full = small, full

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height of the full-size picture."""
        return self._full.size_px

    def rgb(self, box: Box | None = None, min_side_px: int | None = None) -> Pixels:
        """Use the small picture if the box is large enough in it. See `Picture.rgb`."""
        box = box or Box(0, 0, *self.size_px)
        x, y = (small / full for small, full in zip(self._small.size_px, self.size_px, strict=True))
        part = Box(round(box.left * x), round(box.top * y), round(box.width_px * x), round(box.height_px * y))
        if min_side_px is not None and min(part.width_px, part.height_px) >= min_side_px:
            return self._small.rgb(part, min_side_px)
        return self._full.rgb(box, min_side_px)


def lores_size(full: tuple[int, int], min_side_px: int) -> tuple[int, int]:
    """Return the smallest even size with the same aspect ratio and a short side of at least `min_side_px`."""
    # Even because 4:2:0 halves both sides; -(-a // b) rounds up without floats.
    width, height = (2 * -(-side * min_side_px // (2 * min(full))) for side in full)
    return width, height


def to_picture(array: npt.NDArray[np.uint8], stream: dict[str, Any], color_space: Any) -> Picture:
    """Make a picture from a request's array.

    Args:
        array: from `make_array`: (H, W, 3 or 4) uint8, or (3/2 H, W) for 4:2:0. Rows of YUV420 still include the
            padding to the stream's stride; rows of other formats do not.
        stream: the granted stream configuration, with `format` and `size` (width, height).
        color_space: libcamera's colour space or its name.

    Raises:
        PictureError: the pixel format is not supported.

    """
    name, size = stream["format"], (int(stream["size"][0]), int(stream["size"][1]))
    if name in _PLANAR:
        return Yuv420Picture(array, size, _PLANAR[name], color_standard(color_space))
    if name not in _PACKED:
        raise PictureError(f"picamera2 delivers {name}, which is not handled")
    return ArrayPicture(array[: size[1], : size[0]], _PACKED[name])


_PLANAR: dict[str, Literal["i420", "nv12"]] = {"YUV420": "i420", "NV12": "nv12"}
# libcamera names formats by the value of a little-endian word: its RGB888 is B, G, R in memory.
_PACKED: dict[str, Literal["rgb", "bgr"]] = {"RGB888": "bgr", "XRGB8888": "bgr", "BGR888": "rgb", "XBGR8888": "rgb"}


def color_standard(color_space: Any) -> ColorStandard:
    """Translate libcamera's colour space by name; unknown ones count as sYCC, the default of previews."""
    name = str(color_space).lower()
    if "rec709" in name:
        return BT709
    return BT601 if "smpte170m" in name else BT601_FULL


def _number(argument: str) -> int:
    if argument and not argument.isdigit():
        raise SourceError(f"picamera:{argument} is not a number", "'edge-app sources' lists the cameras")
    return int(argument or 0)


def _acquire(number: int, factory: Any) -> Any:
    count = len(factory.global_camera_info())
    if number >= count:
        raise SourceError(
            f"picamera:{number} does not exist: picamera2 sees {counted(count, 'camera')}",
            "check the cable and rpicam-hello",
        )
    try:
        return factory(number)
    except RuntimeError as error:
        # picamera2 reports only that it failed; the cause holds libcamera's message.
        raise SourceError(
            f"picamera:{number} cannot be opened: {one_line(error.__cause__ or error)}",
            "another process probably uses it: stop that process",
        ) from error


def _captured_s(metadata: dict[str, Any]) -> float:
    """Return the sensor's timestamp (nanoseconds, CLOCK_BOOTTIME) on the monotonic clock; now if missing or absurd."""
    stamp_ns = metadata.get("SensorTimestamp")
    now_s = time.monotonic()
    if not stamp_ns:
        return now_s
    age_s = (time.clock_gettime_ns(time.CLOCK_BOOTTIME) - int(stamp_ns)) / 1e9
    # BOOTTIME goes on during suspend and MONOTONIC does not: only ages can be carried over, not times.
    return now_s - age_s if 0 <= age_s < 5 else now_s
