"""Live capture: a thread keeps the newest frame, counts the frames nobody took, and reopens a lost camera forever.

`LiveSource` combines these parts, each readable alone:

    _slot       passes the newest frame from the capture thread to the loop; counts frames
    _patience   decides when a call hangs, a camera is lost, an outage is reported, and when to try again
    _capture    the loop of the capture thread: open, read or skip, publish, close, reopen
    _camera     the interface that the author of a camera implements
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator

from edge_app.records import Frame, Outage
from edge_app.sources._contract import Closeable, Request
from edge_app.sources._live._camera import Camera, Capture
from edge_app.sources._live._capture import CaptureLoop, End
from edge_app.sources._live._patience import OUTAGE_PERIOD_S, STALE_S, Patience
from edge_app.sources._live._slot import Slot

__all__ = ["Camera", "Capture", "LiveSource"]

POLL_S = 0.25  # Longest delay before a stop is noticed.
CLOSE_S = 0.5  # Longest wait for the capture thread to end: the whole program must end within a second.
THREAD_NAME = "capture"


class LiveSource(Closeable):
    """A `Source` made from a `Camera`.

    The constructor waits for the first opening, so that a missing camera is an error at once; later failures are
    outages. The first opening also happens in the capture thread: a blocking call must not delay signal handling.

    The thread holds no reference to this object, so an unclosed source is closed when it is garbage-collected, at the
    latest when the interpreter exits: C++ code of the camera must not outlive the interpreter.

    Args:
        camera: the device.
        request: what to open it with.
        clock: monotonic seconds.

    Raises:
        SourceError: the camera cannot be opened.
    """

    is_sequence = True
    is_live = True

    def __init__(self, camera: Camera, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self._stop, self._clock = request.stop, clock
        self._slot = Slot(request.camera.rate, STALE_S, clock)
        self._patience = Patience(camera.hung_s, camera.patience, clock)
        end = End()
        self._loop = CaptureLoop(camera, request, self._slot, self._patience, end)
        name = f"{THREAD_NAME} {request.argument}"
        # daemon: a call stuck in a driver cannot be interrupted and would keep the program from ending.
        thread = threading.Thread(target=self._loop.run, name=name, daemon=True)
        self._finalizer = weakref.finalize(self, _end, end, thread)
        thread.start()
        while not (self._loop.opened.wait(POLL_S) or request.stop.is_set() or end.is_set):
            # The thread cannot raise here for itself while it is stuck in a driver.
            self._patience.require_progress(self.name, clock())
        if self._loop.refusal is not None:
            raise self._loop.refusal

    @property
    def name(self) -> str:
        """The string that selects the camera."""
        return self._loop.name

    @property
    def dropped(self) -> int:
        """Frames lost so far: replaced before being taken, damaged, stale, or lost in the camera."""
        return self._slot.dropped

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield the newest frame as soon as there is a new one; during an outage, yield an `Outage` every second.

        Ends when the run ends or the source is closed.
        """
        told_s, silence_s = self._clock(), OUTAGE_PERIOD_S
        while self._finalizer.alive and not self._stop.is_set():
            frame = self._slot.take(POLL_S)
            now_s = self._clock()
            if frame is not None:
                told_s, silence_s = now_s, self._patience.silence_s()
                yield frame
            elif self._patience.is_outage(told_s, silence_s, now_s):
                self._patience.require_progress(self.name, now_s)
                told_s, silence_s = now_s, OUTAGE_PERIOD_S
                yield self._patience.outage(now_s)

    def close(self) -> None:
        """Stop the thread and release the camera; a thread stuck in a capture call is abandoned."""
        self._finalizer()


def _end(end: End, thread: threading.Thread) -> None:
    """End a capture thread; must not refer to the source, which would keep it alive."""
    end.set()
    if thread is not threading.current_thread():  # The collector may run in the capture thread itself.
        thread.join(timeout=CLOSE_S)
