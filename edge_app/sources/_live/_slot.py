"""The slot between capture and classification: holds the newest frame and counts lost ones."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from edge_app.records import Frame, Picture
from edge_app.sources._contract import LOOK_S
from edge_app.sources._live._camera import Capture


class Slot:
    """Holds the newest untaken frame. The capture thread puts frames in, the loop takes them out.

    One lock guards every field, including the counts.

    Args:
        rate_hz: the loop takes at most this many frames per second; None for every frame. A frame that is replaced
            within this interval after the last one taken counts as skipped, not dropped.
        stale_s: a frame older than this in the slot no longer shows the present and is dropped.
        clock: monotonic seconds.
    """

    def __init__(self, rate_hz: float | None, stale_s: float, clock: Callable[[], float]) -> None:
        self._stale_s, self._clock = stale_s, clock
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._published_s = -math.inf
        self._captured = self._dropped = 0
        self._taken_s, self._pause_s = -math.inf, 1 / rate_hz if rate_hz else 0.0
        self._is_awaited = True  # whether the loop is waiting for a frame

    @property
    def dropped(self) -> int:
        """Frames lost so far: replaced before being taken, damaged, stale, or lost in the camera."""
        with self._changed:
            return self._dropped

    def publish(self, capture: Capture, picture: Picture) -> None:
        """Replace the newest frame; the old one counts as dropped if it was untaken and the rate allowed taking it.

        Args:
            capture: the result of the camera's `read`.
            picture: its picture, turned and mirrored.
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
        """Count a damaged picture as dropped."""
        with self._changed:
            # Keeps the index in step with the camera, so that a lost picture leaves a gap.
            self._captured += 1
            self._dropped += 1

    def count_skipped(self, missed: int) -> None:
        """Count a picture that was skipped on purpose, and the pictures the camera lost before it."""
        with self._changed:
            self._captured += missed + 1
            self._dropped += missed

    def clear(self) -> None:
        """Discard the newest frame: it would be old when the loop polls again."""
        with self._changed:
            self._newest = None

    def is_idle(self, interval_s: float) -> bool:
        """Return whether the next frame can be skipped: a newer one will arrive before the loop polls again.

        Args:
            interval_s: seconds between two of the camera's pictures.
        """
        with self._changed:
            until_s = self._taken_s + min(self._pause_s, LOOK_S)
            # Two intervals leave room for one late picture; the loop would otherwise have to wait for it.
            return not self._is_awaited and self._clock() + 2 * interval_s < until_s

    def take(self, timeout_s: float) -> Frame | None:
        """Wait for an untaken frame; None if there is none in time, or only a stale one, which is dropped."""
        with self._changed:
            self._is_awaited = True
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            frame, self._newest = self._newest, None
            if frame is None:
                return None
            self._taken_s, self._is_awaited = self._clock(), False
            # If the camera was lost between two polls, its last frame no longer shows the present.
            is_stale = self._taken_s - self._published_s > self._stale_s
            self._dropped += is_stale
            return None if is_stale else frame
