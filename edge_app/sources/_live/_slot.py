"""The slot between capture and classification: it holds the newest frame and counts the others."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from edge_app.records import Frame, Picture
from edge_app.sources._contract import LOOK_S
from edge_app.sources._live._camera import Capture


class Slot:
    """Holds the newest frame that nobody has taken. The capture thread puts frames in, the loop takes them out.

    Every field is read and written under one lock, the counts included.

    Args:
        rate_hz: how often the loop wants a frame at most; None for every frame. A frame that comes earlier than that
            after the last one taken is skipped: nobody misses it, and it does not count as dropped.
        stale_s: a frame that lay longer than this no longer shows what is there, and is not given out.
        clock: monotonic seconds.
    """

    def __init__(self, rate_hz: float | None, stale_s: float, clock: Callable[[], float]) -> None:
        self._stale_s, self._clock = stale_s, clock
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._published_s = -math.inf
        self._captured = self._dropped = 0
        self._taken_s, self._pause_s = -math.inf, 1 / rate_hz if rate_hz else 0.0
        self._is_awaited = True  # whether the loop stands and waits for a frame

    @property
    def dropped(self) -> int:
        """Frames lost so far: replaced before anybody took them, damaged, lost in the camera, or stale."""
        with self._changed:
            return self._dropped

    def publish(self, capture: Capture, picture: Picture) -> None:
        """Replace the newest frame, which is dropped if nobody has taken it and somebody may have wanted it.

        Args:
            capture: what the camera brought.
            picture: its picture, turned and mirrored as the run wants it.
        """
        with self._changed:
            self._published_s = self._clock()
            self._dropped += capture.missed
            is_wanted = self._published_s - self._taken_s >= self._pause_s
            self._dropped += self._newest is not None and is_wanted
            index = self._captured + capture.missed
            self._captured = index + 1
            self._newest = Frame(index, capture.captured_s, capture.captured_s, picture, truth=capture.truth)
            self._changed.notify()

    def count_damaged(self) -> None:
        """Count a picture that came and cannot be used."""
        with self._changed:
            self._captured += 1
            self._dropped += 1

    def count_skipped(self, missed: int) -> None:
        """Count a picture that was left in the camera on purpose, and those that the camera lost before it."""
        with self._changed:
            self._captured += missed + 1
            self._dropped += missed

    def clear(self) -> None:
        """Forget the newest frame: it would be old when the loop looks again."""
        with self._changed:
            self._newest = None

    def is_idle(self, interval_s: float) -> bool:
        """Tell whether newer frames than the next one will come before the loop looks again.

        Args:
            interval_s: seconds between two pictures of the camera.
        """
        with self._changed:
            until_s = self._taken_s + min(self._pause_s, LOOK_S)
            return not self._is_awaited and self._clock() + 2 * interval_s < until_s

    def take(self, timeout_s: float) -> Frame | None:
        """Wait for a frame nobody has taken; None if there is none in time, or only a stale one, which is dropped."""
        with self._changed:
            self._is_awaited = True
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            frame, self._newest = self._newest, None
            if frame is None:
                return None
            self._taken_s, self._is_awaited = self._clock(), False
            # The camera was lost while nobody looked: what it showed last is no longer true.
            is_stale = self._taken_s - self._published_s > self._stale_s
            self._dropped += is_stale
            return None if is_stale else frame
