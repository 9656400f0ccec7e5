"""Maps the times of a recording to the clock of this machine."""

from __future__ import annotations

import math
from collections.abc import Callable


class Pace:
    """Paces one stream: the first picture is due when it is requested, the others at the stream's own intervals.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._start_s: float | None = None

    def delay_s(self, stream_s: float) -> float:
        """Return the seconds until a picture at `stream_s` is due; negative when it is late."""
        now_s = self._clock()
        if self._start_s is None:
            # Not now_s alone: a stream joined midway may begin at any time of its own clock.
            self._start_s = now_s - stream_s
        return self._start_s + stream_s - now_s


def next_position_s(reported_ms: float, previous_s: float, period_s: float) -> float:
    """Return a picture's position in its stream, in seconds: the container's time if it increases.

    Damaged and raw streams report 0, NaN or decreasing times; the position then advances by one period.

    Args:
        reported_ms: `cv2.CAP_PROP_POS_MSEC`.
        previous_s: position of the previous picture; `-period_s` before the first.
        period_s: seconds between two pictures.
    """
    reported_s = reported_ms / 1e3
    return reported_s if math.isfinite(reported_s) and reported_s > previous_s else previous_s + period_s


def period_s(fps: float) -> float:
    """Return the seconds between two pictures; 1/25 if the container's rate is implausible."""
    # 0, NaN and a container's tick rate, such as 90000, all fall outside this range.
    return 1 / fps if 0.01 < fps <= 1000 else 1 / 25
