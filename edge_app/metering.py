"""Frames a second and latencies of the recent past. The caller brings the clock."""

from __future__ import annotations

from collections import deque

import numpy as np

FPS_WINDOW_S = 2.0
LATENCY_WINDOW = 512


class FpsMeter:
    """Rate of events over a sliding window: intervals divided by the time they took, not events by a second.

    Args:
        window_s: how far back to look.
    """

    def __init__(self, window_s: float = FPS_WINDOW_S) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def tick(self, now_s: float) -> float:
        """Count one event at `now_s` (monotonic seconds) and return the rate in events a second; 0 at first."""
        times = self._times
        times.append(now_s)
        while now_s - times[0] > self._window_s and len(times) > 2:
            times.popleft()
        elapsed_s = now_s - times[0]
        return (len(times) - 1) / elapsed_s if elapsed_s > 0 else 0.0

    def reset(self) -> float:
        """Forget what was counted (an outage is no slow frame) and return 0."""
        self._times.clear()
        return 0.0


class LatencyMeter:
    """Percentiles of the last `LATENCY_WINDOW` values."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=LATENCY_WINDOW)

    def add(self, milliseconds: float) -> None:
        """Take in one value."""
        self._values.append(milliseconds)

    def percentiles(self, *ranks: float) -> list[float]:
        """Return the values at the given ranks (0..100), linearly interpolated; zeros before the first value."""
        if not self._values:
            return [0.0 for _ in ranks]
        return [float(value) for value in np.percentile(np.fromiter(self._values, float), ranks)]
