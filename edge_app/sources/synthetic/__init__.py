"""A camera drawn by code, with known labels: `synthetic`, `synthetic:jpeg`, `synthetic:yuyv,free,seed=7`.

It shows the ten classes of CIFAR-10, four seconds each, with sensor noise and slowly changing light. The same seed,
size, rate and index always give the same bytes.

Options, separated by commas:
    rgb, yuyv, jpeg   the pixel format, as from a webcam; rgb by default
    free              every frame, as fast as frames are taken, instead of at its rate
    seed=N            changes order, colours, places and noise; 0 by default
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge_app.errors import UsageError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.pictures.oriented import oriented
from edge_app.pictures.yuv import BT601, YuyvPicture
from edge_app.records import DEFAULT_FPS, DEFAULT_SIZE_PX, Frame, Outage, Picture, Pixels
from edge_app.sources._contract import Closeable, Request, Source
from edge_app.sources._live import Camera, Capture, LiveSource

if TYPE_CHECKING:
    from edge_app.sources.synthetic.film import Film

MODES_PX = ((160, 120), (320, 240), DEFAULT_SIZE_PX)
SIDES_PX = (32, 4096)
RATES_HZ = (1.0, 1000.0)  # Below 1 Hz, `LiveSource` would consider the camera lost.
_SEED_DIGITS = 18
WAIT_S = 0.1  # The longest wait in one call, so that a stop is noticed in time.


def connect(request: Request) -> Source:
    """Open the synthetic camera.

    Raises:
        UsageError: an option, the size or the rate is not possible; the message states the possible ones.
    """
    # Imported late: it is slow, and looking up any source may import this module.
    from edge_app.sources.synthetic.film import Film

    options = parse_options(request.argument.reveal())
    film = Film(options.seed, choose_size_px(request, options), _rate_hz(request))
    if options.is_free:
        return FreeRunning(film, options, request)
    return LiveSource(SyntheticCamera(film, options), request)


@dataclass(frozen=True, slots=True)
class Options:
    """The options after the colon.

    Attributes:
        name: the string that selects the camera with these options, as the user wrote it.
        kind: a key of `ENCODERS`.
        is_free: deliver every frame as fast as frames are taken.
        seed: determines order, colours, places and noise.
    """

    name: str
    kind: str = "rgb"
    is_free: bool = False
    seed: int = 0


def parse_options(argument: str) -> Options:
    """Parse `OPTION,OPTION,...`; an empty string means the defaults.

    Raises:
        UsageError: an option is unknown, malformed, or contradicts an earlier one.
    """
    found: dict[str, str] = {}
    for token in argument.split(",") if argument else []:
        key = "kind" if token in ENCODERS else token.partition("=")[0]
        if key not in ("kind", "free", "seed") or (key == "free" and token != "free"):
            raise UsageError(f"synthetic: unknown option {token!r}", f"choose from {_ALLOWED}")
        if key in found:
            raise UsageError(f"synthetic: option {token!r} contradicts {found[key]!r}", "give one of them")
        found[key] = token
    seed = found.get("seed", "seed=0").partition("=")[2]
    # `isdigit` alone accepts superscripts such as '²', which `int` refuses.
    if not (seed.isascii() and seed.isdigit() and len(seed) <= _SEED_DIGITS):
        raise UsageError(
            f"synthetic: option {found['seed']!r} is not possible",
            f"choose a whole number of at most {_SEED_DIGITS} digits, such as seed=7",
        )
    name = f"synthetic:{argument}" if argument else "synthetic"
    return Options(name, found.get("kind", "rgb"), "free" in found, int(seed))


def choose_size_px(request: Request, options: Options) -> tuple[int, int]:
    """Return the requested size; by default 640x480 for a viewer, otherwise the smallest mode sufficient for the model.

    Raises:
        UsageError: the requested size is not possible.
    """
    asked = request.camera.size
    if asked is None:
        fitting = [mode for mode in MODES_PX if min(mode) >= request.min_side_px]
        return fitting[0] if fitting and not request.wants_full else MODES_PX[-1]
    width_px, height_px = asked.px
    least, most = SIDES_PX
    if not (least <= width_px <= most and least <= height_px <= most):
        raise UsageError(
            f"synthetic: {width_px}x{height_px} is not possible", f"choose both sides from {least} to {most}"
        )
    # In YUYV, two neighbouring pixels share one U and one V.
    if options.kind == "yuyv" and width_px % 2:
        raise UsageError(f"synthetic: yuyv needs an even width, not {width_px}", f"try {width_px + 1}x{height_px}")
    return asked.px


def _rate_hz(request: Request) -> float:
    rate_hz = DEFAULT_FPS if request.camera.fps is None else request.camera.fps
    least, most = RATES_HZ
    if not least <= rate_hz <= most:
        raise UsageError(f"synthetic: {rate_hz:g} frames/s is not possible", f"choose {least:g} to {most:g}")
    return rate_hz


class FreeRunning(Closeable):
    """The synthetic camera, as fast as frames are taken. See `sources.Source`."""

    is_sequence = True
    is_live = False
    dropped = 0

    def __init__(self, film: Film, options: Options, request: Request) -> None:
        self.name = options.name
        self._film, self._kind, self._request = film, options.kind, request
        self._is_closed = False

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield every frame until the run ends."""
        index = 0
        while not (self._request.stop.is_set() or self._is_closed):
            drawn = ENCODERS[self._kind](self._film.frame_pixels(index))
            picture = oriented(drawn, self._request.camera.rotate, self._request.camera.flip)
            stream_s = index / self._film.fps
            yield Frame(index, time.monotonic(), stream_s, picture, truth=self._film.truth(index))
            index += 1

    def close(self) -> None:
        """End the iteration; there is nothing else to release."""
        self._is_closed = True


class SyntheticCamera(Camera):
    """The synthetic camera at its own rate. See `_live.Camera`.

    Args:
        film: the frames it shows.
        options: how it delivers them.
        clock: monotonic seconds.
        wait: sleeps for the given seconds, at most `WAIT_S` per call.
    """

    def __init__(
        self,
        film: Film,
        options: Options,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._film, self._options, self._clock, self._wait = film, options, clock, wait
        self._index = self._missed = 0
        self._zero_s = 0.0
        self._drawn: Picture | None = None
        self._drawn_s = 0.0

    def open(self) -> str:
        """Start the clock: the next frame is due now."""
        # The index survives a reconnection; without the offset, its frame would be due only after all earlier ones.
        self._zero_s = self._clock() - self._index / self._film.fps
        self._drawn = None
        return self._options.name

    def read(self) -> Capture | None:
        """Draw the next frame ahead and wait until it is due; None if it is not due yet."""
        self._skip_overdue()
        if self._drawn is None:
            self._drawn = ENCODERS[self._options.kind](self._film.frame_pixels(self._index))
            self._drawn_s = self._clock()
        if not self._is_due():
            return None
        # A frame drawn late counts as captured when it was drawn: latency should measure the reader, not the drawing.
        captured_s = max(self._due_s(self._index), self._drawn_s)
        picture, truth = self._drawn, self._film.truth(self._index)
        return Capture(picture, captured_s, truth, self._go_on())

    def skip(self) -> int | None:
        """Wait until the next frame is due without drawing it; None if it is not due yet."""
        self._skip_overdue()
        return self._go_on() if self._is_due() else None

    def close(self) -> None:
        """Discard the frame drawn ahead."""
        self._drawn = None

    def _is_due(self) -> bool:
        """Wait for the next frame, at most `WAIT_S`, and return whether it is due."""
        remaining_s = self._due_s(self._index) - self._clock()
        if remaining_s > 0:
            self._wait(min(remaining_s, WAIT_S))
        # Read again, because the wait may have ended at `WAIT_S`, before the frame is due.
        return self._clock() >= self._due_s(self._index)

    def _go_on(self) -> int:
        """Advance to the following frame; return how many were missed before this one."""
        missed, self._index, self._missed, self._drawn = self._missed, self._index + 1, 0, None
        return missed

    def _due_s(self, index: int) -> float:
        # From the start, not from the previous frame: late wake-ups would add up and lower the rate.
        return self._zero_s + index / self._film.fps

    def _skip_overdue(self) -> None:
        """If this frame is more than one interval late, advance to the next frame that is not yet due."""
        late = (self._clock() - self._due_s(self._index)) * self._film.fps
        if late > 1:
            self._index, self._missed = self._index + math.ceil(late), self._missed + math.ceil(late)
            self._drawn = None


def to_yuyv(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """Convert RGB to YUYV, (H, W, 2): luma per pixel, chroma per horizontal pair; the inverse of `BT601.matrix`."""
    yuv = cv2.transform(pixels, _RGB_TO_YUV)
    # Halving the width by linear interpolation averages pairs, four times as fast as area averaging.
    pairs = cv2.resize(yuv, (pixels.shape[1] // 2, pixels.shape[0]), interpolation=cv2.INTER_LINEAR)
    chroma = cv2.merge([cv2.extractChannel(pairs, 1), cv2.extractChannel(pairs, 2)])
    return cv2.merge([cv2.extractChannel(yuv, 0), chroma.reshape(yuv.shape[:2])])


def _inverted(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the inverse of a (3, 4) affine matrix."""
    square = np.vstack([matrix.astype(np.float64), [0, 0, 0, 1]])
    return np.linalg.inv(square)[:3].astype(np.float32)


_RGB_TO_YUV = _inverted(BT601.matrix)


def _to_jpeg(pixels: Pixels) -> Picture:
    """Encode at quality 90 with chroma at half size (OpenCV's default)."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return JpegPicture(data)


ENCODERS: dict[str, Callable[[Pixels], Picture]] = {
    "rgb": ArrayPicture,
    "yuyv": lambda pixels: YuyvPicture(to_yuyv(pixels)),
    "jpeg": _to_jpeg,
}
_ALLOWED = f"{', '.join(ENCODERS)}, free, seed=N"
