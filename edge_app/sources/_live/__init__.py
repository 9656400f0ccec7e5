"""Live capture: one thread that keeps the newest frame, counts what nobody took, and reopens a lost camera for ever.

Three parts, each to be understood alone, and `LiveSource`, which puts them together:

    _slot       the newest frame, passed from the capture thread to the loop; the counts
    _patience   when a call hangs, when a camera is lost, when an outage is told, when to try again
    _capture    the loop of the capture thread: open, read or skip, publish, close, reopen
    _camera     what the author of a camera writes
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
from edge_app.system.masking import masked

__all__ = ["Camera", "Capture", "LiveSource"]

POLL_S = 0.25  # How late a stop may be noticed.
CLOSE_S = 0.5  # How long a stop waits for the capture thread: the whole program has a second to end.
THREAD_NAME = "capture"


class LiveSource(Closeable):
    """A `Source` made of a `Camera`.

    The first opening is waited for, so that a camera that does not exist is an error at once; whatever fails later
    is an outage. It too happens in the capture thread: a call that blocks must not keep a signal from being obeyed.

    The thread does not refer to this object: one that is forgotten instead of closed is closed when it is collected,
    at the latest when the interpreter exits, before C++ code of the camera could meet an interpreter that is gone.

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
        self._stop, self._clock = request.stop, clock
        self._slot = Slot(request.camera.rate, STALE_S, clock)
        self._patience = Patience(camera.hung_s, camera.patience, clock)
        end = End()
        self._loop = CaptureLoop(camera, request, self._slot, self._patience, end)
        name = f"{THREAD_NAME} {masked(request.argument)}"
        thread = threading.Thread(target=self._loop.run, name=name, daemon=True)
        self._finalizer = weakref.finalize(self, _end, end, thread)
        thread.start()
        while not (self._loop.opened.wait(POLL_S) or request.stop.is_set() or end.is_set):
            self._patience.require_progress(self.name, clock())
        if self._loop.refusal is not None:
            raise self._loop.refusal

    @property
    def name(self) -> str:
        """The string that selects the camera."""
        return self._loop.name

    @property
    def dropped(self) -> int:
        """Frames lost so far: replaced by a newer one before anybody took them, damaged, or lost in the camera."""
        return self._slot.dropped

    def __iter__(self) -> Iterator[Frame | Outage]:
        """Yield the newest frame whenever there is one nobody has taken, an outage every second that there is none.

        Ends with the run, and when the source is closed.
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
        """Stop the thread and give the camera back; a thread that stays in a capture call is left behind."""
        self._finalizer()


def _end(end: End, thread: threading.Thread) -> None:
    """End a capture thread; must know nothing of the source, which would be kept alive by it."""
    end.set()
    if thread is not threading.current_thread():  # The collector may run in the capture thread itself.
        thread.join(timeout=CLOSE_S)
