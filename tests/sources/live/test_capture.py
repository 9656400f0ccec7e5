"""The capture loop, one step after the other in the test's own thread, in the camera's time."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_app import pipeline
from edge_app.errors import CameraHung, CameraLost, PictureError, SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.oriented import OrientedPicture
from edge_app.pipeline import Control, Limits
from edge_app.records import Frame
from edge_app.sources import Camera, Capture, Request
from edge_app.sources._live._capture import CaptureLoop, End
from edge_app.sources._live._patience import BACKOFF_S, STALE_S, Patience
from edge_app.sources._live._slot import Slot
from tests.asking import request_for
from tests.clocks import FakeClock

PICTURE = ArrayPicture(np.zeros((4, 6, 3), np.uint8))
PERIOD_S = 0.1


class Script(Camera):
    """A camera of ten pictures a second; what a test puts into `reads` and `opens` comes instead of success.

    Args:
        clock: goes on by a period with every picture, or with every wait for one.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.reads: deque[Exception | Capture | None] = deque()
        self.opens: deque[Exception] = deque()
        self.calls: list[str] = []
        self.opened_s: list[float] = []

    def open(self) -> str:
        self.calls.append("open")
        self.opened_s.append(self._clock())
        if self.opens:
            raise self.opens.popleft()
        return "script"

    def read(self) -> Capture | None:
        self._clock.wait(PERIOD_S)
        self.calls.append("read")
        item = self.reads.popleft() if self.reads else Capture(PICTURE, self._clock())
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self.calls.append("close")


class FakeEnd(End):
    """An end whose waiting makes the time pass."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout_s: float | None = None) -> bool:
        if timeout_s is None:
            self.set()  # Somebody has to: it would wait for ever.
        else:
            self._clock.wait(timeout_s)
        return self.is_set


class Stepped:
    """A loop and its parts, driven by the test instead of a thread. Iterating gives the frames, as a live source does.

    Args:
        camera: the device.
        request: how the run wants its frames.
        clock: the time of all of them.
    """

    name, is_sequence, is_live = "stepped", True, True

    def __init__(self, camera: Camera, request: Request, clock: FakeClock) -> None:
        self.slot = Slot(request.camera.rate, STALE_S, clock)
        self.patience = Patience(camera.hung_s, camera.patience, clock)
        self.end = FakeEnd(clock)
        self.loop = CaptureLoop(camera, request, self.slot, self.patience, self.end)
        self._clock = clock
        assert self.loop.open_first()

    @property
    def dropped(self) -> int:
        """See `Source`."""
        return self.slot.dropped

    def __iter__(self) -> Iterator[Frame]:
        while True:
            yield self.next()

    def next(self, steps: int = 100) -> Frame:
        """Step until there is a frame, and take it."""
        for _ in range(steps):
            frame = self.slot.take(0.0)
            if frame is not None:
                return frame
            self.loop.step()
        raise AssertionError("no frame")

    def step_until(self, until_s: float) -> None:
        """Go on until so late."""
        while self._clock() < until_s:
            self.loop.step()


@pytest.fixture
def clock() -> FakeClock:
    """Start a clock."""
    return FakeClock()


@pytest.fixture
def camera(clock: FakeClock) -> Script:
    """Make a camera."""
    return Script(clock)


@pytest.fixture
def stepped(camera: Script, clock: FakeClock) -> Stepped:
    """Open it."""
    return Stepped(camera, Request(), clock)


def test_pictures_are_turned_as_the_run_asks(camera: Script, clock: FakeClock) -> None:
    """A frame is the camera's picture, turned and mirrored."""
    frame = Stepped(camera, request_for(rotate=90), clock).next()
    assert isinstance(frame.picture, OrientedPicture)
    assert frame.picture.size_px == (4, 6)


def test_a_refused_first_opening_is_kept_for_whoever_waits(camera: Script, clock: FakeClock) -> None:
    """A camera that cannot be opened is told as what it is, nothing is read, and nobody calls that a bug."""
    camera.opens.append(SourceError("/dev/video7 does not exist"))
    patience, end = Patience(9.0, None, clock), FakeEnd(clock)
    loop = CaptureLoop(camera, Request(), Slot(None, STALE_S, clock), patience, end)
    loop.run()
    assert str(loop.refusal) == "/dev/video7 does not exist"
    assert loop.opened.is_set()
    assert camera.calls == ["open"]
    patience.require_progress("x", clock())


def test_a_lost_camera_is_reopened(camera: Script, stepped: Stepped) -> None:
    """After a loss the camera is closed, opened again however often that fails, ever less often; frames go on."""
    assert stepped.next().index == 0
    camera.opens.extend([SourceError("still away")] * 7)
    camera.reads.append(CameraLost("unplugged"))
    lost_s = camera.opened_s[0] + 2 * PERIOD_S
    assert stepped.next().index == 1
    assert camera.calls == ["open", "read", "read", "close", *["open"] * 8, "read"]
    delays_s = np.diff([lost_s, *camera.opened_s[1:]])
    assert delays_s == pytest.approx([*BACKOFF_S, *[BACKOFF_S[-1]] * 4])
    assert stepped.dropped == 0


def test_two_hundred_losses(camera: Script, stepped: Stepped) -> None:
    """Two hundred unplug and replug cycles: every picture arrives, each loss costs the shortest delay."""
    for number in range(200):
        assert stepped.next().index == number
        camera.reads.append(CameraLost("unplugged"))
        stepped.loop.step()
    assert np.diff(camera.opened_s) == pytest.approx(2 * PERIOD_S + BACKOFF_S[0])
    assert stepped.dropped == 0


def test_a_silent_camera_is_reopened(camera: Script, stepped: Stepped) -> None:
    """A camera whose calls return but bring nothing is lost after two seconds, and reopened."""
    camera.reads.extend([None] * 25)
    assert stepped.next().index == 0
    assert camera.calls.count("open") == 2
    assert camera.calls.index("close") == 1 + round(STALE_S / PERIOD_S) + 1
    assert stepped.dropped == 0


def test_one_damaged_picture_costs_one_frame(camera: Script, stepped: Stepped) -> None:
    """A damaged picture is counted; the camera stays open and the next one comes."""
    camera.reads.append(PictureError("torn"))
    assert stepped.next().index == 1
    assert stepped.dropped == 1
    assert camera.calls == ["open", "read", "read"]


def test_nothing_but_damaged_pictures_is_a_loss(camera: Script, stepped: Stepped, clock: FakeClock) -> None:
    """A camera that shows only torn pictures for two seconds is reopened, and says what the last one was."""
    camera.reads.extend([PictureError("torn")] * 30)
    while "close" not in camera.calls:
        stepped.loop.step()
    assert stepped.patience.outage(clock()).reason == "nothing but damaged pictures, the last one: torn"
    assert stepped.dropped == camera.calls.count("read") == round(STALE_S / PERIOD_S) + 1


def test_a_camera_that_only_a_new_process_helps(camera: Script, clock: FakeClock) -> None:
    """After `patience` openings without a picture the loop waits for its end; a picture in between resets the count."""
    camera.patience = 3
    stepped = Stepped(camera, Request(), clock)
    camera.reads.extend([CameraLost("frontend timed out")] * 2)
    stepped.next()
    opened = len(camera.opened_s)
    camera.reads.extend([CameraLost("frontend timed out")] * 4)
    while not stepped.end.is_set:
        stepped.loop.step()
    assert len(camera.opened_s) == opened + 3
    with pytest.raises(CameraHung, match=r"opened 3 times without a picture \(frontend timed out\)"):
        stepped.patience.require_progress("x", clock())


def test_a_camera_that_breaks_the_contract_is_told_and_closed(camera: Script, clock: FakeClock) -> None:
    """Any other error ends the thread with its traceback; the camera is given back, and the loop is told."""
    patience = Patience(9.0, None, clock)
    loop = CaptureLoop(camera, Request(), Slot(None, STALE_S, clock), patience, FakeEnd(clock))
    camera.reads.append(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        loop.run()
    assert camera.calls == ["open", "read", "close"]
    with pytest.raises(CameraHung, match="please report this as a bug"):
        patience.require_progress("x", clock())


def test_the_end_gives_the_camera_back(camera: Script, clock: FakeClock) -> None:
    """Once the end is set, nothing more is read, the camera is closed, and that is no bug."""
    patience, end = Patience(9.0, None, clock), FakeEnd(clock)
    loop = CaptureLoop(camera, Request(), Slot(None, STALE_S, clock), patience, end)
    end.set()
    loop.run()
    assert camera.calls == ["open", "close"]
    patience.require_progress("x", clock())


def test_an_end_wakes_who_waits_for_it() -> None:
    """A wait is over as soon as the end is set, from whatever thread and as often as one likes."""
    end = End()
    assert not end.wait(0.0)
    waiting = threading.Thread(target=end.wait)
    waiting.start()
    end.set()
    end.set()
    waiting.join(30)
    assert not waiting.is_alive()
    assert end.wait()


class Steady(Script):
    """A camera of thirty pictures a second; it counts those that were asked for, and loses some itself."""

    def __init__(self, clock: FakeClock, missed: int = 0) -> None:
        super().__init__(clock)
        self.seen = self.delivered = 0
        self._missed = missed

    def skip(self) -> int:
        self._clock.wait(1 / 30)
        self.seen += 1
        return self._missed

    def read(self) -> Capture | None:
        self.skip()
        self.delivered += 1
        return Capture(PICTURE, self._clock(), missed=self._missed)


@pytest.mark.parametrize(("rate_hz", "look_s"), [(5.0, 0.2), (0.1, 1.0)])
def test_what_nobody_will_take_is_not_asked_for(rate_hz: float, look_s: float, clock: FakeClock) -> None:
    """Between two looks most pictures are left in the driver; each look gets a new one."""
    camera = Steady(clock)
    stepped = Stepped(camera, request_for(rate=rate_hz), clock)
    taken_s = []
    for _ in range(20):
        taken_s.append(stepped.next().captured_s)
        stepped.step_until(clock() + look_s)
    assert all(look_s - 0.1 < after - before < look_s + 0.1 for before, after in itertools.pairwise(taken_s))
    assert camera.delivered < camera.seen * (0.75 if rate_hz == 5 else 0.25)


class CamerasTime(threading.Event):
    """The end of a run, waited for in the camera's time."""

    def __init__(self, stepped: Stepped, clock: Callable[[], float]) -> None:
        super().__init__()
        self._stepped, self._clock = stepped, clock

    def wait(self, timeout: float | None = None) -> bool:
        self._stepped.step_until(self._clock() + (timeout or 0))
        return False


@pytest.mark.parametrize(("rate_hz", "work_s"), [(0.7, 0.0), (0.5, 0.1), (0.25, 0.3)])
def test_a_slow_run_sees_what_is_there_now(rate_hz: float, work_s: float, clock: FakeClock) -> None:
    """However seldom the loop looks, and however long it works, it is never given a picture of some time ago."""
    stepped = Stepped(Steady(clock), request_for(rate=rate_hz), clock)
    stop = CamerasTime(stepped, clock)
    ages_s = []
    items = pipeline.paced(stepped, Limits(rate_hz=rate_hz), Control(stop), clock)  # type: ignore[arg-type]
    for item in itertools.islice(items, 8):
        assert isinstance(item, Frame), item
        ages_s.append(clock() - item.captured_s)
        stop.wait(work_s)
    assert max(ages_s) < 0.1, ages_s


def test_what_the_camera_loses_in_a_pause_counts_too(clock: FakeClock) -> None:
    """A pause hides no loss: pictures that the camera itself missed are dropped, those left in it are not."""
    camera = Steady(clock, missed=1)
    stepped = Stepped(camera, request_for(rate=0.1), clock)
    first = stepped.next()
    stepped.step_until(clock() + 2)
    second = stepped.next()
    assert (first.index, second.index) == (1, 2 * camera.seen - 1)
    assert stepped.dropped == camera.seen
