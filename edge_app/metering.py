"""Recent frame rate, latencies and stage durations. The caller supplies the clock."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FPS_WINDOW_S = 2.0
# The p99 of 512 values rests on the slowest five; of fewer than 100 it would be little more than the maximum.
LATENCY_WINDOW = 512
STAGES_WINDOW_S = 60.0
RANKS = (50, 90, 99, 100)  # percentiles reported for stages and latencies; 100 is the slowest frame

Lap: TypeAlias = Callable[[str], None]
"""Called with the name of a stage when a frame completes it."""

# In the order of processing: from the camera's time stamp to the loop; JPEG or YUV to as many pixels as needed; crop
# and area average to the patch; patch to tensor; the network; probabilities and verdict; sinks that show the picture;
# all other sinks.
STAGES = ("capture", "decode", "shrink", "quantise", "invoke", "decide", "draw", "sinks")
TOTAL = "total"
_COLUMNS = {stage: column for column, stage in enumerate(STAGES)}


class FpsMeter:
    """Rate of events over a sliding window: number of intervals divided by their total duration.

    Args:
        window_s: length of the window.
    """

    def __init__(self, window_s: float = FPS_WINDOW_S) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def tick(self, now_s: float) -> float:
        """Count one event at `now_s` (monotonic seconds) and return the rate in events per second; 0 at first."""
        times = self._times
        times.append(now_s)
        # Two stay however old they are: at less than one frame per window no interval would be left.
        while now_s - times[0] > self._window_s and len(times) > 2:
            times.popleft()
        elapsed_s = now_s - times[0]
        return (len(times) - 1) / elapsed_s if elapsed_s > 0 else 0.0

    def reset(self) -> float:
        """Discard all events, so that an outage does not count as a slow frame, and return 0."""
        self._times.clear()
        return 0.0


class LatencyMeter:
    """Percentiles of the most recent values.

    Args:
        window: number of values kept.
    """

    def __init__(self, window: int = LATENCY_WINDOW) -> None:
        self._values: deque[float] = deque(maxlen=window)

    def add(self, milliseconds: float) -> None:
        """Add one value."""
        self._values.append(milliseconds)

    def percentiles(self, *ranks: float) -> list[float]:
        """Return the values at the given ranks (0..100), linearly interpolated; zeros before the first value."""
        if not self._values:
            return [0.0 for _ in ranks]
        return [float(value) for value in np.percentile(np.fromiter(self._values, float), ranks)]


def no_lap(stage: str) -> None:
    """Ignore the end of a stage."""


class Stages:
    """How long each stage took, for the frames of the last minute. A lap costs a fraction of a microsecond.

    Args:
        window_s: length of the window.
        clock: monotonic seconds; the clock of the capture times.
    """

    def __init__(self, window_s: float = STAGES_WINDOW_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept: deque[list[float]] = deque()  # one row per frame: its stages, then when it ended
        self._window_s, self._clock = window_s, clock
        self._row: list[float] | None = None  # A list: adding to one element of an array takes ten times as long.
        self._then_s = 0.0
        self.count = 0

    def begin(self, captured_s: float) -> None:
        """Begin a frame that was captured at `captured_s`."""
        self._row = [0.0] * len(STAGES)
        self._then_s = captured_s
        self.lap("capture")

    def lap(self, stage: str) -> None:
        """End a stage, which began when the previous one ended; without a frame, do nothing."""
        if self._row is not None:
            now_s = self._clock()
            self._row[_COLUMNS[stage]] += now_s - self._then_s
            self._then_s = now_s

    def drop(self) -> None:
        """Discard the current frame, which turned out to be damaged."""
        self._row = None

    def end(self) -> None:
        """End the frame; without one, do nothing."""
        if self._row is not None:
            self._kept.append([*self._row, self._then_s])
            self._row = None
            self.count += 1
            self._forget(self._then_s)

    def milliseconds(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the durations of each stage and of the total, (frames,) each, oldest first."""
        self._forget(self._clock())
        # reshape also gives an empty array its columns: without frames [:, :-1] would fail.
        rows = np.array(self._kept).reshape(-1, len(STAGES) + 1)[:, :-1] * 1e3
        return {stage: rows[:, column] for stage, column in _COLUMNS.items()} | {TOTAL: rows.sum(1)}

    def percentiles(self) -> dict[str, list[float]]:
        """Return the percentiles (`RANKS`) of each stage and of the total, milliseconds; empty without frames."""
        durations = self.milliseconds()
        if not len(durations[TOTAL]):
            return {}
        return {stage: np.percentile(values, RANKS).tolist() for stage, values in durations.items()}

    def _forget(self, now_s: float) -> None:
        while self._kept and now_s - self._kept[0][-1] > self._window_s:
            self._kept.popleft()
