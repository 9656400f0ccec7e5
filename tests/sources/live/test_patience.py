"""How long a camera is waited for, on a clock that passes only when the test says so."""

from __future__ import annotations

import pytest

from edge_app.errors import CameraHung
from edge_app.sources._live._patience import BACKOFF_S, OPENING_HUNG_S, OUTAGE_PERIOD_S, STALE_S, Patience
from tests.clocks import FakeClock

HUNG_S = 5.0


class Guarded(Patience):
    """One that fails when a field is read or written by somebody who does not hold its lock."""

    def __init__(self, clock: FakeClock, attempts: int | None = None) -> None:
        super().__init__(HUNG_S, attempts, clock)
        self._is_ready = True

    def __getattribute__(self, name: str) -> object:
        state = object.__getattribute__(self, "__dict__")
        if "_is_ready" in state and name in state and name not in ("_lock", "_clock"):
            assert state["_lock"]._is_owned(), f"{name} is read without the lock"
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if "_is_ready" in self.__dict__:
            assert self.__dict__["_lock"]._is_owned(), f"{name} is written without the lock"
        object.__setattr__(self, name, value)


@pytest.fixture
def clock() -> FakeClock:
    """Start a clock."""
    return FakeClock()


@pytest.fixture
def patience(clock: FakeClock) -> Patience:
    """Judge a camera that has just been opened."""
    patience = Guarded(clock)
    patience.note_first_opening()
    return patience


def pictures(patience: Patience, clock: FakeClock, period_s: float, count: int = 3) -> None:
    """Have the camera show pictures so far apart."""
    for _ in range(count):
        clock.now_s += period_s
        patience.note_picture()
        patience.note_return()


def test_a_call_that_never_returns_is_a_hang(patience: Patience, clock: FakeClock) -> None:
    """A capture call may take as long as the camera says; after that only a new process helps."""
    clock.now_s += HUNG_S
    patience.require_progress("webcam:0", clock())
    clock.now_s += 0.1
    with pytest.raises(CameraHung, match=r"^webcam:0: a capture call has not returned for 5 s") as caught:
        patience.require_progress("webcam:0", clock())
    assert "only a new process helps" in caught.value.remedy
    patience.note_return()
    patience.require_progress("webcam:0", clock())


def test_an_opening_may_take_longer_than_a_read(clock: FakeClock) -> None:
    """The first opening and every other has a minute, and the calls that follow have their own limit again."""
    patience = Guarded(clock)
    for opening in range(2):
        if opening:
            patience.note_opening()
        clock.now_s += OPENING_HUNG_S
        patience.require_progress("x", clock())
        patience.note_first_opening()
    clock.now_s += OPENING_HUNG_S
    with pytest.raises(CameraHung):
        patience.require_progress("x", clock())


def test_a_dead_capture_thread_is_told(patience: Patience, clock: FakeClock) -> None:
    """A thread that ended by itself is an error, not an endless outage."""
    patience.note_death()
    with pytest.raises(CameraHung, match="ended unexpectedly; please report"):
        patience.require_progress("x", clock())


def test_an_open_camera_that_shows_nothing_is_lost(patience: Patience, clock: FakeClock) -> None:
    """Two seconds after the last picture or the opening, whichever was later, and not before."""
    pictures(patience, clock, 0.1)
    clock.now_s += STALE_S
    assert not patience.is_stale()
    clock.now_s += 0.1
    assert patience.is_stale()
    assert patience.note_open() == pytest.approx(STALE_S + 0.1)  # seconds without a picture
    assert not patience.is_stale()


def test_openings_become_rarer_until_a_picture_comes(patience: Patience, clock: FakeClock) -> None:
    """A camera that opens and shows nothing is tried less and less often, one that shows a picture soon again."""
    assert [patience.next_delay_s() for _ in range(6)] == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]
    pictures(patience, clock, 0.1, 1)
    assert patience.next_delay_s() == BACKOFF_S[0]


def test_a_camera_that_only_a_new_process_helps(clock: FakeClock) -> None:
    """After `patience` openings without a picture, and not before, there are no more, and the reason is reported."""
    patience = Guarded(clock, attempts=3)
    for _ in range(2):
        assert patience.next_delay_s() is not None
    pictures(patience, clock, 0.1, 1)
    assert [patience.next_delay_s() is None for _ in range(4)] == [False, False, False, True]
    patience.note_problem("frontend timed out")
    with pytest.raises(CameraHung, match=r"opened 3 times without a picture \(frontend timed out\)"):
        patience.require_progress("x", clock())


@pytest.mark.parametrize(
    ("period_s", "silence_s"), [(0.03, OUTAGE_PERIOD_S), (0.6, 1.5), (0.9, STALE_S), (30.0, STALE_S)]
)
def test_a_slow_camera_is_not_an_outage(
    patience: Patience, clock: FakeClock, period_s: float, silence_s: float
) -> None:
    """A camera slower than an outage is told is given two and a half times its pace, as soon as that is known."""
    pictures(patience, clock, period_s)
    assert patience.silence_s() == pytest.approx(silence_s)
    taken_s = clock()
    clock.now_s += silence_s - 0.01
    assert not patience.is_outage(taken_s, silence_s, clock())
    clock.now_s += 0.02
    assert patience.is_outage(taken_s, silence_s, clock())


def test_an_outage_is_told_again_and_again(patience: Patience, clock: FakeClock) -> None:
    """It counts from what was told last, and no picture may have come since."""
    told_s = clock()
    clock.now_s += OUTAGE_PERIOD_S
    assert patience.is_outage(told_s, OUTAGE_PERIOD_S, clock())
    assert not patience.is_outage(clock(), OUTAGE_PERIOD_S, clock())
    patience.note_picture()
    clock.now_s += OUTAGE_PERIOD_S / 2
    assert not patience.is_outage(told_s, OUTAGE_PERIOD_S, clock())


def test_an_outage_says_since_when_and_why(patience: Patience, clock: FakeClock) -> None:
    """Its beginning is the last picture; the reason is the camera's, and forgotten as soon as a picture comes."""
    pictures(patience, clock, 0.1)
    good_s = clock()
    clock.now_s += 1.5
    outage = patience.outage(clock())
    assert (outage.reason, outage.since_s, outage.observed_s) == ("no picture for 1.5 s", good_s, clock())
    patience.note_problem("unplugged")
    assert patience.outage(clock()).reason == "unplugged"
    pictures(patience, clock, 0.1, 1)
    assert patience.outage(clock()).reason == "no picture for 0.0 s"
