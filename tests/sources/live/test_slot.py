"""The slot between capture and classification: the newest frame wins, and every lost one is counted."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from edge_app.pictures.array import ArrayPicture
from edge_app.sources._live._camera import Capture
from edge_app.sources._live._slot import Slot
from tests.clocks import FakeClock

PICTURE = ArrayPicture(np.zeros((4, 6, 3), np.uint8))
STALE_S = 2.0


class Guarded(Slot):
    """A slot that fails when a field is read or written by somebody who does not hold its lock."""

    def __init__(self, rate_hz: float | None, clock: FakeClock) -> None:
        super().__init__(rate_hz, STALE_S, clock)
        self._is_ready = True

    def __getattribute__(self, name: str) -> object:
        state = object.__getattribute__(self, "__dict__")
        if "_is_ready" in state and name in state and name not in ("_changed", "_clock", "_pause_s", "_stale_s"):
            assert state["_changed"]._is_owned(), f"{name} is read without the lock"
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_ready" in self.__dict__:
            assert self.__dict__["_changed"]._is_owned(), f"{name} is written without the lock"
        object.__setattr__(self, name, value)


@pytest.fixture
def clock() -> FakeClock:
    """Start a clock."""
    return FakeClock()


@pytest.fixture
def slot(clock: FakeClock) -> Slot:
    """Make a slot for a loop that takes every frame."""
    return Guarded(None, clock)


def publish(slot: Slot, captured_s: float = 0.0, missed: int = 0, truth: str | None = None) -> None:
    """Put one frame in."""
    slot.publish(Capture(PICTURE, captured_s, truth, missed), PICTURE)


def taken_index(slot: Slot) -> int:
    """Take a frame that must be there, and return its index."""
    frame = slot.take(0.0)
    assert frame is not None
    return frame.index


def test_the_newest_frame_wins_and_drops_are_counted(slot: Slot) -> None:
    """Of five frames nobody took the last is given out, once, and four count as dropped."""
    for _ in range(5):
        publish(slot)
    assert (taken_index(slot), slot.dropped) == (4, 4)
    assert slot.take(0.0) is None
    assert slot.dropped == 4


def test_a_frame_is_what_the_camera_brought(slot: Slot) -> None:
    """Time and truth are the capture's; the picture is the turned one."""
    turned = ArrayPicture(np.zeros((6, 4, 3), np.uint8))
    slot.publish(Capture(PICTURE, 99.5, "cat"), turned)
    frame = slot.take(0.0)
    assert frame is not None
    assert (frame.captured_s, frame.stream_s, frame.truth, frame.picture) == (99.5, 99.5, "cat", turned)


def test_frames_the_camera_lost_count_too(slot: Slot) -> None:
    """What a camera reports as missed is dropped, and the index shows the gap; so it is for a damaged picture."""
    publish(slot, missed=3)
    assert (taken_index(slot), slot.dropped) == (3, 3)
    slot.count_damaged()
    publish(slot)
    assert (taken_index(slot), slot.dropped) == (5, 4)


def test_frames_between_two_wanted_ones_are_skipped_not_dropped(clock: FakeClock) -> None:
    """At one frame in ten seconds, what comes within ten seconds of a taken frame is no loss; what follows is."""
    slot = Guarded(0.1, clock)
    publish(slot)
    taken_index(slot)
    for _ in range(5):
        clock.now_s += 1
        publish(slot)
    assert slot.dropped == 0
    clock.now_s += 6
    publish(slot)
    assert slot.dropped == 1
    assert taken_index(slot) == 6


def test_what_is_left_in_the_camera_is_no_loss(slot: Slot) -> None:
    """A skipped picture has an index and is not dropped; what the camera lost before it is."""
    slot.count_skipped(0)
    slot.count_skipped(2)
    publish(slot)
    assert (taken_index(slot), slot.dropped) == (4, 2)


def test_a_stale_frame_is_not_given_out(slot: Slot, clock: FakeClock) -> None:
    """When the camera was lost while nobody looked, its last frame is dropped."""
    publish(slot)
    clock.now_s += STALE_S + 0.01
    assert slot.take(0.0) is None
    assert slot.dropped == 1


def test_a_cleared_slot_is_empty_and_nothing_is_lost(slot: Slot) -> None:
    """What would be old at the next look is forgotten on purpose."""
    publish(slot)
    slot.clear()
    assert slot.take(0.0) is None
    assert slot.dropped == 0


def test_the_camera_is_left_alone_until_shortly_before_the_next_look() -> None:
    """At one frame a second and four pictures a second the last two are read; a loop that waits gets every one."""
    clock = FakeClock()
    slot = Guarded(1.0, clock)
    assert not slot.is_idle(0.25)
    publish(slot)
    taken_index(slot)
    idle = []
    for _ in range(4):
        idle.append(slot.is_idle(0.25))
        clock.now_s += 0.25
    assert idle == [True, True, False, False]
    clock.now_s -= 1.0
    assert slot.take(0.0) is None
    assert not slot.is_idle(0.25)


def test_a_loop_that_waits_is_woken_by_a_frame(slot: Slot) -> None:
    """`take` returns as soon as a frame is published, long before its time is over."""
    found = []
    waiting = threading.Thread(target=lambda: found.append(slot.take(60.0)))
    waiting.start()
    publish(slot)
    waiting.join(30)
    assert [frame.index for frame in found if frame] == [0]
