"""The capture loop: open, read or skip, publish; after a loss close, wait and reopen, forever."""

from __future__ import annotations

import logging
import queue
import threading

from edge_app.errors import CameraLost, EdgeAppError, PictureError, SourceError
from edge_app.pictures.oriented import oriented
from edge_app.secret import scrub_error
from edge_app.sources._contract import Request
from edge_app.sources._live._camera import Camera
from edge_app.sources._live._patience import Patience
from edge_app.sources._live._slot import Slot

log = logging.getLogger(__name__)

_NOTHING = "the camera delivers nothing"


class End:
    """An event that ends a capture loop.

    A finalizer may set it at any point in any thread, even in a thread that is waiting here. That thread might already
    hold the lock of a `threading.Event` and deadlock; `queue.SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()

    def set(self) -> None:
        """End the loop."""
        # Before put: a woken waiter reads the flag, and would see False the other way round.
        self.is_set = True
        self._wake.put(None)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set, at most `timeout_s`, and return whether it is set."""
        try:
            if not self.is_set:
                self._wake.get(timeout=timeout_s)
        except queue.Empty:
            pass
        return self.is_set


class CaptureLoop:
    """Drives one camera. Other threads may use only `opened`, `refusal` and `name`.

    Args:
        camera: the device.
        request: how to turn and mirror its pictures.
        slot: receives the frames.
        patience: records the camera's behaviour and decides when to reopen it.
        end: set to end the loop.

    Attributes:
        name: the string that selects the camera, once it is open.
        opened: set when the first opening has succeeded or failed.
        refusal: why the first opening failed; None if it succeeded.
    """

    def __init__(self, camera: Camera, request: Request, slot: Slot, patience: Patience, end: End) -> None:
        self._camera, self._request, self._slot, self._patience, self._end = camera, request, slot, patience, end
        self._is_open = False
        self.name = "camera being opened"
        self.opened = threading.Event()
        self.refusal: EdgeAppError | None = None

    def run(self) -> None:
        """Capture until `end` is set."""
        try:
            if self.open_first():
                self._capture()
        except BaseException as error:
            scrub_error(error)  # Python prints it, with what a library quoted of the address.
            raise
        finally:
            if not self._end.is_set and self.refusal is None:
                self._patience.note_death()

    def open_first(self) -> bool:
        """Open the camera for the first time; False if that failed."""
        try:
            self.name = self._camera.open()
            self._is_open = True
        except EdgeAppError as error:
            self.refusal = error
        self._patience.note_first_opening()
        self.opened.set()
        return self._is_open

    def _capture(self) -> None:
        try:
            while not self._end.is_set:
                self.step()
        finally:
            self._camera.close()

    def step(self) -> None:
        """Reopen the camera if it is lost; then read or skip one picture."""
        self._is_open = self._is_open or self._reopen()
        self._is_open = self._is_open and self._read_once()
        self._patience.note_return()

    def _read_once(self) -> bool:
        """Read and publish one frame, or skip it; False if the camera must be reopened."""
        try:
            if self._slot.is_idle(self._patience.interval_s):
                return self._skip_once()
            capture = self._camera.read()
        except PictureError as error:
            self._patience.note_problem(f"damaged picture: {error}")
            self._slot.count_damaged()
            return self._keep_unless_stale(f"nothing but damaged pictures, the last one: {error}")
        except CameraLost as error:
            self._lost(str(error))
            return False
        if capture is None:
            return self._keep_unless_stale(_NOTHING)
        self._patience.note_picture()
        self._slot.publish(capture, oriented(capture.picture, self._request.camera.rotate, self._request.camera.flip))
        return True

    def _skip_once(self) -> bool:
        """Skip one frame, and clear the slot: its frame would be old when the loop polls again. Returns as above."""
        self._slot.clear()
        missed = self._camera.skip()
        if missed is None:
            return self._keep_unless_stale(_NOTHING)
        self._slot.count_skipped(missed)
        self._patience.note_picture()
        return True

    def _keep_unless_stale(self, reason: str) -> bool:
        is_stale = self._patience.is_stale()
        if is_stale:
            self._lost(reason)
        return not is_stale

    def _lost(self, reason: str) -> None:
        log.warning("%s: %s; reopening", self.name, reason)
        self._patience.note_problem(reason)
        self._camera.close()

    def _reopen(self) -> bool:
        delay_s = self._patience.next_delay_s()
        # If there will be no further attempt (None), wait for the end; the iterating thread raises CameraHung.
        if self._end.wait(delay_s):
            return False
        self._patience.note_opening()
        try:
            self.name = self._camera.open()
        except SourceError as error:
            self._patience.note_problem(str(error))
            return False
        finally:
            self._patience.note_return()
        log.info("%s: open again after %.1f s", self.name, self._patience.note_open())
        return True
