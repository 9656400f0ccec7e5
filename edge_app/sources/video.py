"""Every frame of a video file; `clip.mp4` or `video:clip.mp4`.

With `CameraOptions.realtime` it plays at its own rate, like a camera, and drops late frames. OpenCV turns a video
upright if its metadata says how the phone was held.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from edge_app.errors import SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.opencv import cv2
from edge_app.pictures.oriented import oriented
from edge_app.records import Frame, Pixels
from edge_app.sources import folder
from edge_app.sources._contract import Closeable, Request, Source
from edge_app.sources._pace import Pace, next_position_s, period_s
from edge_app.system.wording import counted

log = logging.getLogger(__name__)

CUT_OFF_BELOW = 0.95  # A margin, because frame counts of containers without an index are estimates.
SIGN_OF_LIFE_S = 1.0  # A machine too slow for a video still shows one frame per this interval.


def claims(path: Path) -> bool:
    """Return whether this may be a video: any file that is not a picture. Opening it shows whether it is one."""
    return path.is_file() and not folder.is_picture_name(path.name)


def connect(request: Request) -> Source:
    """Open a video file.

    Raises:
        SourceError: it is missing, not readable, empty, or not a video.
    """
    return VideoSource(request)


class VideoSource(Closeable):
    """A `Source` that ends.

    Args:
        request: its `argument` is the path.
        clock: monotonic seconds.
        wait: waits the given seconds, or until the run ends; `request.stop.wait` by default.
    """

    is_sequence = True

    def __init__(
        self,
        request: Request,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._path = Path(request.argument.reveal())
        self._request, self._clock, self._wait = request, clock, wait or request.stop.wait
        self.name, self.is_live, self.dropped = f"video:{request.argument}", request.camera.realtime, 0
        self._capture = _open(self._path)
        self._expected = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self._period_s = period_s(self._capture.get(cv2.CAP_PROP_FPS))
        # One period before zero, so that a first picture reported at 0 still counts as an advance.
        self._index, self._stream_s = -1, -self._period_s
        self._pace, self._shown_s = Pace(clock), clock()
        # OpenCV crashes when a capture is released while another thread reads from it.
        self._in_use, self._is_closed, self._is_ended = threading.Lock(), False, False

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until the file ends; in real time only those that are not late."""
        while not self._request.stop.is_set() and self._advance():
            if self._request.camera.realtime and not self._wait_until_due():
                continue
            frame = self._frame()
            if frame is not None:
                yield frame

    def close(self) -> None:
        """Close the file."""
        with self._in_use:
            self._is_closed = True
            self._capture.release()

    def _advance(self) -> bool:
        """Advance to the next frame without converting it; False at the end."""
        with self._in_use:
            if self._is_closed:
                return False
            # grab decodes, as later frames build on this one; retrieve converts to BGR, which late frames do not need.
            if not self._capture.grab():
                self._report_end()
                return False
            reported_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        self._index += 1
        self._stream_s = next_position_s(reported_ms, self._stream_s, self._period_s)
        return True

    def _wait_until_due(self) -> bool:
        """Wait until the frame is due; False if it is too late and dropped."""
        delay_s = self._pace.delay_s(self._stream_s)
        if delay_s < -self._period_s and self._clock() - self._shown_s < SIGN_OF_LIFE_S:
            self.dropped += 1
            return False
        if delay_s > 0:
            self._wait(delay_s)
        self._shown_s = self._clock()
        return not self._request.stop.is_set()

    def _frame(self) -> Frame | None:
        pixels = self._retrieve()
        if pixels is None:
            self.dropped += 1
            return None
        picture = oriented(ArrayPicture(pixels, "bgr"), self._request.camera.rotate, self._request.camera.flip)
        return Frame(self._index, self._clock(), self._stream_s, picture, self._path.name)

    def _retrieve(self) -> Pixels | None:
        with self._in_use:
            is_good, pixels = (False, None) if self._is_closed else self._capture.retrieve()
        return pixels if is_good else None

    def _report_end(self) -> None:
        read = self._index + 1
        if read < CUT_OFF_BELOW * self._expected and not self._is_ended:
            log.warning(
                "%s ends after %d of %s: the file is cut off", self._path, read, counted(self._expected, "frame")
            )
        self._is_ended = True


def _open(path: Path) -> cv2.VideoCapture:
    """Open a file with FFmpeg; explain the failures that FFmpeg does not explain."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "let this user read it") from error
    if not head:
        raise SourceError(f"{path} is empty", "copy it again")
    # FFmpeg would render a text file as a picture, and fetch the URLs in a playlist.
    if _is_text(head):
        raise SourceError(f"{path} is a text file, not a video", "name a video, a picture or a folder of pictures")
    capture = cv2.VideoCapture(str(path.absolute()), cv2.CAP_FFMPEG)  # absolute: "a:b.mp4" would be taken for a URL
    if not capture.isOpened():
        capture.release()
        raise SourceError(f"{path} is not a video that FFmpeg can read, or is cut off", "does it play elsewhere?")
    return capture


def _is_text(head: bytes) -> bool:
    """Return whether this is text: it has no control characters, which every video has in its first 4 kB."""
    return not any(byte < 0x20 and byte not in b"\t\n\f\r\x1b" for byte in head)
