"""The frames to measure on, prepared so that neither a camera's pace nor the cost of drawing is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_app.errors import DataError, PictureError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.pictures.yuv import YuyvPicture
from edge_app.records import DEFAULT_FPS, Frame, Outage, Picture, Pixels
from edge_app.settings.choices import FrameKind
from edge_app.sources import Closeable, folder
from edge_app.sources.synthetic import to_yuyv
from edge_app.sources.synthetic.film import Film
from edge_app.system.wording import counted

COUNT = 60
QUALITY = 80  # JPEG quality of common webcams
GRAIN = 4.0  # grey levels; without noise a drawing's flat areas would make its JPEG too cheap to decode


@dataclass(frozen=True, slots=True)
class Reel:
    """Pictures of one size and kind.

    Attributes:
        title: description.
        kind: format of the camera's frames.
        raw: uint8 frames: the bytes of a JPEG, (N,); YUYV, (H, W, 2); or BGR, (H, W, 3).
    """

    title: str
    kind: FrameKind
    raw: tuple[npt.NDArray[np.uint8], ...]

    def picture(self, index: int) -> Picture:
        """Return the picture of frame `index`, made as a camera source makes it; the reel repeats."""
        return _MAKERS[self.kind](self.raw[index % len(self.raw)])


_MAKERS: dict[FrameKind, Callable[[npt.NDArray[np.uint8]], Picture]] = {
    "jpeg": JpegPicture,
    "yuyv": YuyvPicture,
    "rgb": lambda pixels: ArrayPicture(pixels, "bgr"),
}


def drawn(kind: FrameKind, size_px: tuple[int, int]) -> Reel:
    """Return drawn scenes with sensor noise."""
    film, grain = Film(1, size_px, DEFAULT_FPS), np.random.default_rng(0)
    scenes = (film.frame_pixels(number * 30) for number in range(COUNT))  # lazily: a small board has little memory
    noisy = (np.clip(scene + grain.normal(0, GRAIN, scene.shape), 0, 255).astype(np.uint8) for scene in scenes)
    return of_pictures("drawn scenes", noisy, kind, size_px)


def photographs(where: Path, kind: FrameKind, size_px: tuple[int, int]) -> Reel:
    """Return the pictures of a folder, each scaled to cover the size and cropped to it.

    Raises:
        DataError: no picture can be read.
    """
    found: list[Pixels] = []
    # The disk's own order differs between machines, and with it the pictures that make the cut.
    for path in sorted(folder.walk(where))[:COUNT]:
        try:
            found.append(_covering(folder.load(path).rgb(), size_px))
        except PictureError:
            continue
    if not found:
        raise DataError(f"no pictures to measure on in {where}", "name a folder of photographs")
    return of_pictures(f"{counted(len(found), 'picture')} of {where}", found, kind, size_px)


def _covering(pixels: Pixels, size_px: tuple[int, int]) -> Pixels:
    width, height = size_px
    scale = max(width / pixels.shape[1], height / pixels.shape[0])
    # Rounded down, a side could end one pixel short of the size it must cover.
    sides = math.ceil(pixels.shape[1] * scale), math.ceil(pixels.shape[0] * scale)
    return np.ascontiguousarray(cv2.resize(pixels, sides, interpolation=cv2.INTER_AREA)[:height, :width])


def of_pictures(what: str, pictures: Iterable[Pixels], kind: FrameKind, size_px: tuple[int, int]) -> Reel:
    """Make a reel of (H, W, 3) RGB pictures of one size."""
    width, height = size_px
    quality = f" of quality {QUALITY}" if kind == "jpeg" else ""
    title = f"{what}, {width}x{height} {kind}{quality}"
    return Reel(title, kind, tuple(_as_delivered(pixels, kind) for pixels in pictures))


def _as_delivered(pixels: Pixels, kind: FrameKind) -> npt.NDArray[np.uint8]:
    if kind == "yuyv":
        return to_yuyv(pixels)
    # Copied once here: a reversed view may cost a copy on every frame, which would count against the loop.
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    if kind == "rgb":
        return bgr
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].reshape(-1)


class Replay(Closeable):
    """A source that repeats the pictures of a reel as fast as they are consumed, up to a number of frames."""

    is_sequence, is_live, dropped = True, False, 0

    def __init__(self, reel: Reel, count: int) -> None:
        self.name, self._reel, self._count = reel.title, reel, count

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield frames whose capture time is now."""
        for index in range(self._count):
            now_s = time.monotonic()
            yield Frame(index, now_s, now_s, self._reel.picture(index))

    def close(self) -> None:
        """Do nothing: there is nothing to release."""
