"""Decides when a camera call hangs, when a camera is lost, when an outage is reported, and when to reopen."""

from __future__ import annotations

import threading
from collections.abc import Callable

from edge_app.errors import CameraHung
from edge_app.records import Outage
from edge_app.system.wording import counted

OUTAGE_PERIOD_S = 1.0
STALE_S = 2.0  # A camera without a picture for this long is lost, whatever its calls return.
OPENING_HUNG_S = 60.0  # Importing picamera2 is slow on a small board, as is resolving names without a network.
BACKOFF_S = (0.25, 0.5, 1.0, 2.0)
_NEW_PROCESS = "only a new process helps (the service starts one by itself)"


class Patience:
    """Judges a camera. The capture thread records events, the loop queries them; one lock guards all state.

    Args:
        hung_s: seconds after which a capture call counts as hung.
        attempts: openings without a picture after which only a new process helps; None for no limit.
        clock: monotonic seconds.
    """

    def __init__(self, hung_s: float, attempts: int | None, clock: Callable[[], float]) -> None:
        self._hung_s, self._attempts, self._clock = hung_s, attempts, clock
        # Reentrant because note_first_opening calls note_return with the lock held.
        self._lock = threading.RLock()
        self._good_s = self._opened_s = self._progress_s = clock()
        self._limit_s = OPENING_HUNG_S
        self._interval_s = 0.0
        self._failures = 0  # openings since the last picture
        self._reason: str | None = None  # why there is no picture, if known
        self._is_given_up = self._is_dead = False

    # Recorded by the capture thread.

    def note_opening(self) -> None:
        """Allow the next call as long as an opening may take."""
        with self._lock:
            self._limit_s = OPENING_HUNG_S

    def note_return(self) -> None:
        """Record that a camera call has returned."""
        with self._lock:
            self._progress_s, self._limit_s = self._clock(), self._hung_s

    def note_open(self) -> float:
        """Record that the camera is open, and return the seconds since its last picture."""
        with self._lock:
            self._opened_s = self._clock()
            return self._opened_s - self._good_s

    def note_first_opening(self) -> None:
        """Record that the first opening has ended: from now on, missing pictures count as silence."""
        with self._lock:
            self._good_s = self._opened_s = self._clock()
            self.note_return()

    def note_picture(self) -> None:
        """Record a good picture, which ends any outage."""
        with self._lock:
            now_s = self._clock()
            self._interval_s = now_s - self._good_s
            self._good_s, self._reason, self._failures = now_s, None, 0

    def note_problem(self, reason: str) -> None:
        """Record why there is no picture."""
        with self._lock:
            self._reason = reason

    def note_death(self) -> None:
        """Record that the capture thread has ended unexpectedly."""
        with self._lock:
            self._is_dead = True

    # Queried by the capture thread.

    @property
    def interval_s(self) -> float:
        """Seconds between the last two pictures."""
        with self._lock:
            return self._interval_s

    def is_stale(self) -> bool:
        """Return whether an open camera has been without a picture for so long that it is lost."""
        with self._lock:
            # Counts from the opening too: otherwise a camera reopened after a long outage is stale at once.
            return self._clock() - max(self._good_s, self._opened_s) > STALE_S

    def next_delay_s(self) -> float | None:
        """Count one attempt and return the seconds to wait before it; None if there were too many.

        Only a picture resets the count, so a camera that opens but delivers nothing is retried ever less often too.
        """
        with self._lock:
            if self._attempts is not None and self._failures >= self._attempts:
                self._is_given_up = True
                return None
            delay_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            return delay_s

    # Queried by the loop.

    def silence_s(self) -> float:
        """Return how long after a frame the silence becomes an outage.

        Slow cameras get more time: one picture per second with some jitter is not an outage.
        """
        with self._lock:
            return min(max(OUTAGE_PERIOD_S, 2.5 * self._interval_s), STALE_S)

    def is_outage(self, told_s: float, silence_s: float, now_s: float) -> bool:
        """Return whether `silence_s` have passed since the last picture and since the last yield, at `told_s`."""
        with self._lock:
            return now_s - max(told_s, self._good_s) >= silence_s

    def outage(self, now_s: float) -> Outage:
        """Return the current outage with its reason."""
        with self._lock:
            return Outage(self._reason or f"no picture for {now_s - self._good_s:.1f} s", self._good_s, now_s)

    def require_progress(self, name: str, now_s: float) -> None:
        """Raise if waiting longer cannot help.

        Args:
            name: the camera's name, for the message.
            now_s: monotonic seconds.

        Raises:
            CameraHung: a capture call hangs, reopening was abandoned, or the capture thread has ended.
        """
        with self._lock:
            if self._is_given_up:
                raise CameraHung(
                    f"{name}: opened {counted(self._failures, 'time')} without a picture ({self._reason})", _NEW_PROCESS
                )
            if self._is_dead:
                raise CameraHung(f"{name}: the capture thread ended unexpectedly", "please report this as a bug")
            silent_s = now_s - self._progress_s
            if silent_s > self._limit_s:
                raise CameraHung(f"{name}: a capture call has not returned for {silent_s:.0f} s", _NEW_PROCESS)
