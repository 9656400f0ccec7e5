"""A clock for tests: time passes only when something waits for it."""

from __future__ import annotations

import threading


class FakeClock:
    """Monotonic seconds that pass when something waits, or when the test says so.

    Args:
        now_s: where it begins.

    Attributes:
        now_s: the time; tests move it.
        waits_s: every wait there was, in seconds.
    """

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s
        self.waits_s: list[float] = []

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s

    def wait(self, seconds: float) -> None:
        """Let time pass at once."""
        self.waits_s.append(seconds)
        self.now_s += seconds


class ClocksStop(threading.Event):
    """A stop event whose waits take fake seconds instead of real ones.

    Args:
        clock: goes on by what is waited for.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass at once."""
        if not self.is_set():
            self._clock.wait(timeout or 0.0)
        return self.is_set()
