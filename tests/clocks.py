"""A clock for tests: time passes when somebody waits for it, and never by itself."""

from __future__ import annotations


class FakeClock:
    """Monotonic seconds that pass when somebody waits, or when a test says so.

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
