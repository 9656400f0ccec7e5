"""Periodic checks while a service runs: progress for the watchdog, memory, throttling."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from edge_app.errors import RunError
from edge_app.service.notify import Notifier
from edge_app.system.board import Throttling, kernel_throttling

log = logging.getLogger(__name__)

MEMORY_PERIOD_S = 10.0
THROTTLING_PERIOD_S = 60.0


class Health:
    """Checks the process and the board; the loop calls `progress` for each item of its source.

    Args:
        notifier: feeds the watchdog.
        memory_max_mb: resident MiB above which the process ends, so that systemd restarts it; None for no limit.
        resident: reads the resident memory, bytes.
        throttling: reads whether the board is throttled.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        notifier: Notifier,
        memory_max_mb: float | None,
        resident: Callable[[], int] | None = None,
        throttling: Callable[[], Throttling | None] = kernel_throttling,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier, self._memory_max_mb, self._clock = notifier, memory_max_mb, clock
        self._resident, self._throttling = resident or resident_bytes, throttling
        self._memory_checked_s = clock()
        self._throttling_checked_s = -math.inf
        self._slowed_by: tuple[str, ...] = ()

    def progress(self) -> None:
        """Feed the watchdog, and check memory and throttling when they are due.

        Raises:
            RunError: the process uses more memory than its limit.
        """
        self._notifier.progress()
        now_s = self._clock()
        if self._memory_max_mb is not None and now_s - self._memory_checked_s >= MEMORY_PERIOD_S:
            self._memory_checked_s = now_s
            self._check_memory(self._memory_max_mb)
        if now_s - self._throttling_checked_s >= THROTTLING_PERIOD_S:
            self._throttling_checked_s = now_s
            self._log_throttling()

    def _check_memory(self, memory_max_mb: float) -> None:
        used_mb = self._resident() / 2**20
        if used_mb > memory_max_mb:
            # MemoryMax= would kill without a message, and Raspberry Pi OS ignores it (RPi-Distro/pi-gen#917).
            raise RunError(
                f"{used_mb:.0f} MiB of memory are in use, {memory_max_mb:g} are allowed (memory_max): ending "
                "for a restart",
                "if this happens repeatedly, raise memory_max",
            )

    def _log_throttling(self) -> None:
        found = self._throttling()
        slowed_by = found.now if found else ()
        if slowed_by and slowed_by != self._slowed_by:
            log.warning("the board is slowed down: %s", ", ".join(slowed_by))
        if self._slowed_by and not slowed_by:
            log.warning("the board is no longer slowed down")
        self._slowed_by = slowed_by


def resident_bytes() -> int:
    """Return this process's resident memory in bytes; 0 where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
