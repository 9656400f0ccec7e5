"""Making a disk keep what was written: every few seconds, in a thread of its own, for it may take as long."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

CLOSE_S = 0.5  # How long the end waits for a disk that hangs.


class Syncer:
    """Calls fsync for written files, at most every `period_s`, and only when something was written.

    A power cut loses what was written in the last `period_s` and while the last call went on.

    Args:
        period_s: 0 never calls it.
        sync: fsync.
        pause: waits so many seconds, or until the end; returns whether it is the end.
    """

    def __init__(
        self,
        period_s: float,
        sync: Callable[[int], None] = os.fsync,
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._period_s, self._sync = period_s, sync
        self._is_ended = threading.Event()
        self._pause = pause or self._is_ended.wait
        self._lock, self._is_due = threading.Lock(), threading.Event()
        self._waiting: list[int] = []  # descriptors of our own: the log may close or rotate its file meanwhile
        self._has_current = False
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def written(self, descriptor: int) -> None:
        """Take note that a file has something to be kept.

        Raises:
            OSError: the last call failed; said once.
        """
        if not self._period_s:
            return
        with self._lock:
            if not self._has_current:
                self._waiting.append(os.dup(descriptor))
                self._has_current = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fsync", daemon=True)
            self._thread.start()
        self._is_due.set()
        self._raise_once()

    def changed_file(self) -> None:
        """Take note that what is written next goes to another file."""
        with self._lock:
            self._has_current = False

    def close(self) -> None:
        """Keep what waits, unless the disk hangs.

        Raises:
            OSError: a call failed that was not told yet.
        """
        self._is_ended.set()
        self._is_due.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)
        self._raise_once()

    def _raise_once(self) -> None:
        with self._lock:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._is_due.wait()
            self._pause(self._period_s)
            # In this order: an end that comes after the look sets it again, and one more round keeps the rest.
            self._is_due.clear()
            is_last = self._is_ended.is_set()
            self._keep()

    def _keep(self) -> None:
        with self._lock:
            waiting, self._waiting, self._has_current = self._waiting, [], False
        for descriptor in waiting:
            try:
                self._sync(descriptor)
            except OSError as error:
                if error.errno != errno.EINVAL:  # fsync(2): a pipe or a device, which keeps nothing
                    with self._lock:
                        self._error = error
            finally:
                os.close(descriptor)
