"""Live capture: one thread that keeps the newest frame, counts what nobody took, and reopens a lost camera for ever."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from edge_app.errors import CameraHung, CameraLost, EdgeAppError, PictureError, SourceError
from edge_app.pictures.oriented import oriented
from edge_app.records import Frame, Outage, Picture
from edge_app.sources._contract import LOOK_S, Request
from edge_app.system.masking import masked

log = logging.getLogger(__name__)

OUTAGE_PERIOD_S = 1.0
STALE_S = 2.0  # A camera that has shown nothing for so long is lost, whatever its calls return.
OPENING_HUNG_S = 60.0  # Importing picamera2 takes long on a small board, and so do names without a network.
BACKOFF_S = (0.25, 0.5, 1.0, 2.0)
POLL_S = 0.25  # How late a stop may be noticed.
CLOSE_S = 0.5  # How long a stop waits for the capture thread: the whole program has a second to end.
THREAD_NAME = "capture"
_NOTHING = "the camera delivers nothing"


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


class Camera(Protocol):
    """A live device. All its methods are called by the capture thread alone.

    Attributes:
        patience: openings without a picture after which only a new process helps; None for any number.
        hung_s: seconds after which a capture call never returns; longer than any that comes back by itself takes.
    """

    patience: int | None = None
    hung_s: float = 9.0  # a picture over the network may wait 2 s each for the link, an answer and data

    def open(self) -> str:
        """Open (or reopen) the device and return the string that selects it.

        Raises:
            SourceError: it cannot be opened now.
        """

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

    def close(self) -> None:
        """Give the device back; harmless when it is not open."""


class LiveSource:
    """A `Source` made of a `Camera`.

    The first opening is waited for, so that a camera that does not exist is an error at once; whatever fails later
    is an outage. It too happens in the capture thread: a call that blocks must not keep a signal from being obeyed.

    Args:
        camera: the device.
        request: how the run wants its frames.
        clock: monotonic seconds.

    Raises:
        SourceError: the camera cannot be opened.
    """

    is_sequence = True
    is_live = True

    def __init__(self, camera: Camera, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self._camera, self._request, self._clock = camera, request, clock
        self.name = "camera being opened"
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._captured = self._untaken = self._failures = 0
        self._reason: str | None = None  # why there is no picture, if more is known than that there is none
        self._good_s = self._opened_s = self._progress_s = clock()
        self._interval_s = 0.0  # between the last two pictures
        self._taken_s, self._pause_s = -math.inf, 1 / request.camera.rate if request.camera.rate else 0.0
        self._is_awaited = True  # whether somebody stands and waits for a picture
        self._limit_s, self._patience_s = OPENING_HUNG_S, OUTAGE_PERIOD_S
        self._is_given_up = False
        self._ended, self._first_opened = threading.Event(), threading.Event()
        self._refusal: Exception | None = None
        self._thread = threading.Thread(
            target=self._capture, name=f"{THREAD_NAME} {masked(request.argument)}", daemon=True
        )
        self._thread.start()
        while not self._first_opened.wait(POLL_S) and not request.stop.is_set():
            self._check_progress(clock())
        if self._refusal is not None:
            raise self._refusal

    @property
    def dropped(self) -> int:
        """Frames lost so far: replaced by a newer one before anybody took them, or lost in the camera."""
        return self._untaken

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield the newest frame whenever there is one nobody has taken, an outage every second that there is none."""
        quiet_since_s, patience_s = self._clock(), OUTAGE_PERIOD_S
        while not self._request.stop.is_set():
            frame = self._take(POLL_S)
            now_s = self._clock()
            if frame is not None:
                quiet_since_s, patience_s = now_s, self._patience_s
                yield frame
            elif now_s - max(quiet_since_s, self._good_s) >= patience_s:
                self._check_progress(now_s)
                quiet_since_s, patience_s = now_s, OUTAGE_PERIOD_S
                yield Outage(self._reason or f"no picture for {now_s - self._good_s:.1f} s", self._good_s, now_s)

    def close(self) -> None:
        """Stop the thread and give the camera back; a thread that stays in a capture call is left behind."""
        self._ended.set()
        self._thread.join(timeout=CLOSE_S)

    def _take(self, timeout_s: float) -> Frame | None:
        with self._changed:
            self._is_awaited = True
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            frame, self._newest = self._newest, None
            if frame is not None:
                self._taken_s, self._is_awaited = self._clock(), False
        if frame is not None and self._clock() - self._good_s > STALE_S:
            self._untaken += 1  # The camera was lost while nobody looked: what it showed last is no longer true.
            return None
        return frame

    def _check_progress(self, now_s: float) -> None:
        if self._is_given_up:
            raise CameraHung(
                f"{self.name}: opened {self._failures} times without a picture ({self._reason})",
                "only a new process helps (the service starts one by itself)",
            )
        if not self._thread.is_alive() and not self._ended.is_set():
            raise CameraHung(f"{self.name}: the capture thread has ended by itself, which is a bug")
        if now_s - self._progress_s > self._limit_s:
            raise CameraHung(
                f"{self.name}: a capture call has not returned for {now_s - self._progress_s:.0f} s",
                "only a new process helps (the service starts one by itself)",
            )

    def _capture(self) -> None:
        """Run the capture thread: read, publish; on any loss close, wait, reopen."""
        if not self._open_first():
            return
        is_open = True
        try:
            while not self._ended.is_set():
                is_open = is_open or self._reopen()
                is_open = is_open and self._read_once()
                self._progress_s = self._clock()
        finally:
            self._camera.close()

    def _open_first(self) -> bool:
        try:
            self.name = self._camera.open()
        except EdgeAppError as error:
            self._refusal = error
        self._opened_s = self._good_s = self._progress_s = self._clock()
        self._limit_s = self._camera.hung_s
        self._first_opened.set()
        return self._refusal is None

    def _read_once(self) -> bool:
        """Read and publish one frame, or leave it; False when the camera has to be reopened."""
        try:
            if self._is_pausing():
                return self._skip_once()
            capture = self._camera.read()
        except PictureError as error:
            self._reason = f"damaged picture: {error}"
            self._captured += 1
            self._untaken += 1
            return self._keep_unless_stale(f"nothing but damaged pictures, the last one: {error}")
        except CameraLost as error:
            self._lost(str(error))
            return False
        if capture is None:
            return self._keep_unless_stale(_NOTHING)
        self._publish(capture)
        return True

    def _is_pausing(self) -> bool:
        """Whether newer pictures than the next one will come before the loop looks again."""
        until_s = self._taken_s + min(self._pause_s, LOOK_S)
        return not self._is_awaited and self._clock() + 2 * self._interval_s < until_s

    def _skip_once(self) -> bool:
        """Leave one frame to the camera, and none that will be old when the loop looks again; returns as above."""
        with self._changed:
            self._newest = None
        missed = self._camera.skip()
        if missed is None:
            return self._keep_unless_stale(_NOTHING)
        self._captured += missed + 1
        self._untaken += missed
        self._note_picture()
        return True

    def _note_picture(self) -> None:
        """Take note of a good picture: there is no outage."""
        now_s = self._clock()
        self._interval_s = now_s - self._good_s
        # A slow camera is given time: one a second with some jitter is no outage.
        self._patience_s = min(max(OUTAGE_PERIOD_S, 2.5 * self._interval_s), STALE_S)
        self._good_s, self._reason, self._failures = now_s, None, 0

    def _keep_unless_stale(self, reason: str) -> bool:
        is_stale = self._clock() - max(self._good_s, self._opened_s) > STALE_S
        if is_stale:
            self._lost(reason)
        return not is_stale

    def _lost(self, reason: str) -> None:
        log.warning("%s: %s; reopening", self.name, reason)
        self._reason = reason
        self._camera.close()

    def _reopen(self) -> bool:
        if self._camera.patience is not None and self._failures >= self._camera.patience:
            self._is_given_up = True
            self._ended.wait()
            return False
        delay_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
        if self._ended.wait(delay_s):
            return False
        self._failures += 1  # until a picture comes: a camera that opens and shows nothing is tried less and less often
        self._limit_s = OPENING_HUNG_S
        try:
            self.name = self._camera.open()
        except SourceError as error:
            self._reason = str(error)
            return False
        finally:
            self._progress_s, self._limit_s = self._clock(), self._camera.hung_s
        log.info("%s: open again after %.1f s", self.name, self._clock() - self._good_s)
        self._opened_s = self._clock()
        return True

    def _publish(self, capture: Capture) -> None:
        picture = oriented(capture.picture, self._request.camera.rotate, self._request.camera.flip)
        self._captured += capture.missed
        self._untaken += capture.missed
        frame = Frame(self._captured, capture.captured_s, capture.captured_s, picture, truth=capture.truth)
        self._captured += 1
        self._note_picture()
        with self._changed:
            is_skipped = self._good_s - self._taken_s < self._pause_s
            self._untaken += self._newest is not None and not is_skipped
            self._newest = frame
            self._changed.notify()
