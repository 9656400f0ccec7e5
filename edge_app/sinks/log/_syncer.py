"""Syncs the log to the disk every few seconds, in a thread of its own, because fsync may itself take seconds."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

CLOSE_S = 0.5  # How long `close` waits for a disk that hangs.


class Syncer:
    """Calls fsync for written files, at most every `period_s`, and only when something was written.

    A power cut loses what was written in the last `period_s` and during the last call.

    Args:
        period_s: seconds between calls; 0 never calls it.
        sync: fsync; tests replace it.
        pause: waits the given seconds or until `close`; returns whether `close` was called.
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
        self._waiting: list[int] = []  # duplicates: the log may close or rotate its file meanwhile
        self._has_current = False
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def written(self, descriptor: int) -> None:
        """Note that a file needs syncing.

        Raises:
            OSError: the last call failed; raised once.
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
        """Note that the next line goes to another file."""
        with self._lock:
            self._has_current = False

    def close(self) -> None:
        """Sync what is left, unless the disk hangs.

        Raises:
            OSError: a call failed and was not reported yet.
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
            # Clear before looking: a `close` after the look sets `_is_due` again, and one more round syncs the rest.
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
                if error.errno != errno.EINVAL:  # fsync(2): a pipe or device, which cannot be synced
                    with self._lock:
                        self._error = error
            finally:
                os.close(descriptor)
