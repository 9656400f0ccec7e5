"""The capture thread: newest frame wins, losses are counted, a lost camera is reopened for ever."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edge_app import pipeline
from edge_app.errors import CameraHung, CameraLost, PictureError, SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.pipeline import Control, Limits
from edge_app.records import Frame, Outage
from edge_app.sources import Request, _live
from edge_app.sources._live import Camera, Capture, LiveSource
from tests.asking import request_for

PICTURE = ArrayPicture(np.zeros((4, 6, 3), np.uint8))


class Puppet(Camera):
    """A camera whose every call the test decides: it puts what `read` and `open` are to do into two queues."""

    def __init__(self) -> None:
        self.reads: queue.Queue[Callable[[], Capture | None]] = queue.Queue()
        self.opens: queue.Queue[Exception] = queue.Queue()
        self.opened = self.closed = 0

    def open(self) -> str:
        self.opened += 1
        if not self.opens.empty():
            raise self.opens.get()
        return "puppet"

    def read(self) -> Capture | None:
        try:
            return self.reads.get(timeout=0.05)()
        except queue.Empty:
            return None

    def close(self) -> None:
        self.closed += 1

    def show(self, missed: int = 0) -> None:
        """Have the next read return a picture."""
        self.reads.put(lambda: Capture(PICTURE, time.monotonic(), missed=missed))

    def fail(self, error: Exception) -> None:
        """Have the next read raise."""

        def read() -> Capture:
            raise error

        self.reads.put(read)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every wait: what is tested is the order of events, not their length."""
    monkeypatch.setattr(_live, "OUTAGE_PERIOD_S", 0.1)
    monkeypatch.setattr(_live, "POLL_S", 0.02)
    monkeypatch.setattr(_live, "BACKOFF_S", (0.01,))
    monkeypatch.setattr(_live, "STALE_S", 0.4)


@pytest.fixture
def camera() -> Puppet:
    """Make a camera that shows nothing yet."""
    return Puppet()


@pytest.fixture
def source(camera: Puppet) -> Iterator[LiveSource]:
    """Open it."""
    source = LiveSource(camera, Request())
    yield source
    source.close()


def wait_until(condition: Callable[[], bool], limit_s: float = 5.0) -> None:
    """Poll until the condition holds; fail if it does not in time."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.002)


def first(items: Iterator[Frame | Outage], kind: type) -> Frame | Outage:
    """Return the next item of a kind."""
    return next(item for item in items if isinstance(item, kind))


def test_newest_frame_wins_and_drops_are_counted(camera: Puppet, source: LiveSource) -> None:
    """Of five frames nobody took the last is delivered, and four count as dropped."""
    for _ in range(5):
        camera.show()
    wait_until(lambda: source.dropped == 4)
    frame = first(iter(source), Frame)
    assert isinstance(frame, Frame)
    assert frame.index == 4
    assert source.dropped == 4


def test_frames_between_two_wanted_ones_are_skipped_not_dropped(camera: Puppet) -> None:
    """With a rate of one in ten seconds, what comes within ten seconds of a taken frame is no loss."""
    source = LiveSource(camera, request_for(rate=0.1))
    items = iter(source)
    camera.show()
    first(items, Frame)
    for _ in range(5):
        camera.show()
    wait_until(camera.reads.empty)
    for item in items:
        if isinstance(item, Frame):
            assert item.index >= 6  # a new one, none of the five that were there before somebody wanted one
            break
        camera.show()
    assert source.dropped == 0
    source.close()


class Steady(Camera):
    """A camera of thirty pictures a second, which make its time pass; it counts those that were asked for."""

    def __init__(self) -> None:
        self.now_s, self.seen, self.delivered = 0.0, 0, 0

    def open(self) -> str:
        return "steady"

    def skip(self) -> int:
        threading.Event().wait(0.004)
        self.now_s, self.seen = self.now_s + 1 / 30, self.seen + 1
        return 0

    def read(self) -> Capture | None:
        self.skip()
        self.delivered += 1
        return Capture(PICTURE, self.now_s)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(("rate_hz", "look_s"), [(5.0, 0.2), (0.1, 1.0)])
def test_what_nobody_will_take_is_not_asked_for(rate_hz: float, look_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks most pictures are left in the driver; each look gets a new one, and there is no outage."""
    monkeypatch.setattr(_live, "OUTAGE_PERIOD_S", 1.0)
    camera = Steady()
    source = LiveSource(camera, request_for(rate=rate_hz), lambda: camera.now_s)
    items, taken_s = iter(source), []
    for _ in range(20):
        item = next(items)
        assert isinstance(item, Frame), item
        taken_s.append(item.captured_s)
        due_s = camera.now_s + look_s
        wait_until(lambda due_s=due_s: camera.now_s >= due_s)
    source.close()
    assert all(look_s - 0.1 < after - before < look_s + 0.4 for before, after in itertools.pairwise(taken_s))
    assert camera.delivered < camera.seen * (0.75 if rate_hz == 5 else 0.35)


class CamerasTime(threading.Event):
    """The end of a run, waited for in a camera's time."""

    def __init__(self, camera: Steady) -> None:
        super().__init__()
        self._camera = camera

    def wait(self, timeout: float | None = None) -> bool:
        ends_s = self._camera.now_s + (timeout or 0)
        wait_until(lambda: self._camera.now_s >= ends_s)
        return False


@pytest.mark.parametrize(("rate_hz", "work_s"), [(0.7, 0.0), (0.5, 0.1), (0.25, 0.3)])
def test_a_slow_run_sees_what_is_there_now(rate_hz: float, work_s: float) -> None:
    """However seldom the loop looks, and however long it works, it is never given a picture of some time ago."""
    camera = Steady()
    source, stop = LiveSource(camera, request_for(rate=rate_hz), lambda: camera.now_s), CamerasTime(camera)
    ages_s = []
    for item in pipeline.paced(source, Limits(rate_hz=rate_hz), Control(stop), lambda: camera.now_s):
        assert isinstance(item, Frame), item
        ages_s.append(camera.now_s - item.captured_s)
        stop.wait(work_s)
        if len(ages_s) == 4:
            break
    source.close()
    assert max(ages_s) < 0.3, ages_s  # five times the usual, a third of what a picture of the last look has


def test_what_the_camera_loses_in_a_pause_counts_too() -> None:
    """A pause hides no loss: pictures that the camera itself missed are dropped, those left in it are not."""

    class Losing(Steady):
        def skip(self) -> int:
            return super().skip() + 1

        def read(self) -> Capture | None:
            self.skip()
            return Capture(PICTURE, self.now_s, missed=1)

    camera = Losing()
    source = LiveSource(camera, request_for(rate=0.1), lambda: camera.now_s)
    frames = [first(iter(source), Frame)]
    wait_until(lambda: camera.seen > 40)
    frames.append(first(iter(source), Frame))
    source.close()
    assert [isinstance(frame, Frame) and frame.index % 2 for frame in frames] == [1, 1]
    assert camera.seen - 2 <= source.dropped <= camera.seen


def test_frames_the_camera_lost_count_too(camera: Puppet, source: LiveSource) -> None:
    """What a camera reports as missed is dropped, and the index shows the gap."""
    camera.show(missed=3)
    frame = first(iter(source), Frame)
    assert isinstance(frame, Frame)
    assert (frame.index, source.dropped) == (3, 3)


def test_silence_is_an_outage_again_and_again(source: LiveSource) -> None:
    """While nothing comes, an outage is said periodically, with its beginning and a reason."""
    items = iter(source)
    one, two = first(items, Outage), first(items, Outage)
    assert isinstance(one, Outage)
    assert isinstance(two, Outage)
    assert one.since_s == two.since_s < one.observed_s < two.observed_s
    assert one.reason


def test_a_lost_camera_is_reopened(camera: Puppet, source: LiveSource) -> None:
    """After a loss the camera is closed, opened again however often that fails, and frames go on, same source."""
    items = iter(source)
    camera.show()
    assert first(items, Frame).index == 0  # type: ignore[union-attr]
    for _ in range(7):
        camera.opens.put(SourceError("still away"))
    camera.fail(CameraLost("unplugged"))
    outage = first(items, Outage)
    assert isinstance(outage, Outage)
    assert outage.reason in ("unplugged", "still away")
    wait_until(lambda: camera.opened == 9)
    camera.show()
    assert first(items, Frame).index == 1  # type: ignore[union-attr]


def test_two_hundred_losses_leave_nothing_behind(camera: Puppet, source: LiveSource) -> None:
    """Two hundred unplug and replug cycles: every picture arrives, threads stay flat."""
    items = iter(source)
    threads = threading.active_count()
    for number in range(200):
        camera.show()
        assert first(items, Frame).index == number  # type: ignore[union-attr]
        camera.fail(CameraLost("unplugged"))
    wait_until(lambda: camera.opened == 201)
    assert threading.active_count() == threads


def test_a_slow_camera_is_not_an_outage(camera: Puppet, source: LiveSource) -> None:
    """A camera whose pictures come a little later than an outage is told is waited for, once its pace is known."""
    items = iter(source)
    told: list[Frame | Outage] = []
    for _ in range(6):
        threading.Timer(1.3 * _live.OUTAGE_PERIOD_S, camera.show).start()
        for item in items:
            told.append(item)
            if isinstance(item, Frame):
                break
    assert not any(isinstance(item, Outage) for item in told[3:])


def test_a_silent_camera_is_reopened(camera: Puppet, source: LiveSource) -> None:
    """A camera whose calls return but bring nothing is stale after a while, and reopened."""
    wait_until(lambda: camera.opened >= 2)
    assert camera.closed >= 1


def test_a_frame_that_waited_too_long_is_not_delivered(camera: Puppet) -> None:
    """When the camera was lost while nobody looked, its last frame is dropped and an outage follows."""
    now_s = [100.0]
    source = LiveSource(camera, Request(), clock=lambda: now_s[0])
    camera.show()
    wait_until(lambda: source._newest is not None)
    now_s[0] += _live.STALE_S + 0.01
    assert source._take(0.0) is None
    assert source.dropped == 1
    source.close()


def test_one_damaged_picture_costs_one_frame(camera: Puppet, source: LiveSource) -> None:
    """A damaged picture is counted; the camera stays open and the next one comes."""
    camera.fail(PictureError("torn"))
    camera.show()
    assert isinstance(first(iter(source), Frame), Frame)
    assert source.dropped == 1
    assert camera.opened == 1


def test_a_call_that_never_returns_ends_the_source(camera: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capture call that hangs is an error that ends the process; closing does not wait for it."""
    camera.hung_s = 0.3
    monkeypatch.setattr(_live, "CLOSE_S", 0.05)
    release = threading.Event()
    camera.reads.put(lambda: release.wait(30) and None)
    source = LiveSource(camera, Request())
    with pytest.raises(CameraHung, match="has not returned"):
        for _ in source:
            pass
    source.close()
    release.set()


def test_a_camera_that_only_a_new_process_helps(camera: Puppet) -> None:
    """After so many openings without a picture the source gives up, for the process to be replaced; not before."""
    camera.patience = 3
    source = LiveSource(camera, Request())
    camera.fail(CameraLost("frontend timed out"))
    camera.fail(CameraLost("frontend timed out"))
    camera.show()
    assert first(iter(source), Frame) is not None
    opened = camera.opened
    for _ in range(4):
        camera.fail(CameraLost("frontend timed out"))
    with pytest.raises(CameraHung, match=r"opened 3 times without a picture \(frontend timed out\)"):
        list(source)
    assert camera.opened == opened + 3
    source.close()


def test_first_opening_fails_at_once(camera: Puppet) -> None:
    """A camera that is not there when the run starts is an error, not an outage."""
    camera.opens.put(SourceError("/dev/video7 does not exist"))
    with pytest.raises(SourceError, match="/dev/video7 does not exist"):
        LiveSource(camera, Request())


def test_stop_during_a_slow_opening(camera: Puppet) -> None:
    """A stop is obeyed while the camera is still being opened."""
    release, stop = threading.Event(), threading.Event()

    class Slow(Puppet):
        def open(self) -> str:
            release.wait(30)
            return "slow"

    stop.set()
    source = LiveSource(Slow(), Request(stop=stop))
    assert list(source) == []
    release.set()
    source.close()
