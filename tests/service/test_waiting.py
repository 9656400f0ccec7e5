"""Waiting for a camera: for ever, rarely, and at once when a device appears."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_app.errors import CameraHung, SourceError, UsageError
from edge_app.records import Frame, Outage
from edge_app.service import waiting
from edge_app.service.waiting import PatientSource
from edge_app.sources import Closeable
from tests.results import PICTURE

FRAME = Frame(0, 1.0, 1.0, PICTURE)


class Camera(Closeable):
    """A source of one frame, which knows whether it was closed."""

    name, is_sequence, is_live, dropped = "camera", True, True, 5

    def __init__(self) -> None:
        self.is_closed = False

    def __iter__(self) -> Iterator[Frame | Outage]:
        yield FRAME

    def close(self) -> None:
        self.is_closed = True


class Clock(threading.Event):
    """A clock that goes on by a quarter of a second whenever somebody waits for the stop; the stop as well.

    It goes on only when every attempt has ended, or waits in `hold` for something that is not so yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._others = {*threading.enumerate()}
        self._news = threading.Condition()
        self._held: dict[threading.Thread, Callable[[], bool]] = {}

    def wait(self, timeout: float | None = None) -> bool:
        with self._news:
            self.now_s += timeout or 0
            self._news.notify_all()
        for attempt in {*threading.enumerate()} - self._others:
            while attempt.is_alive() and self._held.get(attempt, lambda: True)():
                attempt.join(0.001)
        return self.is_set()

    def hold(self, is_over: Callable[[], bool]) -> None:
        """Block an attempt until something is so when the clock goes on."""
        with self._news:
            self._held[threading.current_thread()] = is_over
            self._news.wait_for(is_over)

    def source(self, connect: Callable[[], Camera]) -> PatientSource:
        """Make the watch to test."""
        return PatientSource("webcam", connect, self, lambda: self.now_s)


class Absent:
    """A camera that is not there; notes when somebody tried."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.camera = clock, Camera()
        self.tried_s: list[float] = []
        self.is_there = False

    def __call__(self) -> Camera:
        self.tried_s.append(self.clock.now_s)
        if not self.is_there:
            raise SourceError("no webcam found")
        return self.camera


@pytest.fixture
def clock() -> Clock:
    """Start at zero."""
    return Clock()


@pytest.fixture(autouse=True)
def devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of device nodes."""
    monkeypatch.setattr(waiting, "DEVICES", tmp_path)
    return tmp_path


def test_attempts_get_rarer_and_never_end(clock: Clock) -> None:
    """Within an hour: soon at first, then every half minute; an outage every second with the reason."""
    absent = Absent(clock)
    outages = []
    for item in clock.source(absent):
        assert isinstance(item, Outage)
        outages.append(item)
        if clock.now_s > 3600:
            break
    pauses_s = [after - before for before, after in zip(absent.tried_s, absent.tried_s[1:], strict=False)]
    assert pauses_s[0] < 3 and all(29 < pause_s < 35 for pause_s in pauses_s[8:])
    assert len(pauses_s) > 3600 / 35
    assert {outage.reason for outage in outages} == {"no webcam found"}
    gaps_s = [after.observed_s - before.observed_s for before, after in itertools.pairwise(outages)]
    assert max(gaps_s) <= 1.5


def test_a_new_device_is_tried_at_once(clock: Clock, devices: Path) -> None:
    """In the longest pause, a node that appears is followed by an attempt within two seconds."""
    absent = Absent(clock)
    plugged_s = 0.0
    for item in clock.source(absent):
        if isinstance(item, Frame):
            break
        if clock.now_s > 300 and not absent.is_there:
            absent.is_there, plugged_s = True, clock.now_s
            (devices / "video0").touch()
    assert 0 < clock.now_s - plugged_s < 2


def test_a_device_that_appears_during_an_attempt_is_not_missed(clock: Clock, devices: Path) -> None:
    """Too late for that attempt, it has one of its own two seconds later at most, not half a minute."""
    camera = Absent(clock)

    def connect() -> Camera:
        if clock.now_s < 100 or (devices / "video0").exists():
            camera.is_there = clock.now_s >= 100
            return camera()
        (devices / "video0").touch()
        return camera()

    for item in clock.source(connect):
        if isinstance(item, Frame):
            break
    before_s, found_s = camera.tried_s[-2:]
    assert before_s >= 100 and 0 < found_s - before_s < 2


def test_a_new_device_that_is_not_ready_yet_is_tried_again_soon(clock: Clock, devices: Path) -> None:
    """Where udev needs longer for it than we waited, the attempts that follow come after 1, 2, 4 s, not after 30."""
    camera = Absent(clock)
    items = iter(clock.source(camera))
    while clock.now_s < 100:
        next(items)
    (devices / "video0").touch()
    appeared_s = clock.now_s
    while clock.now_s < appeared_s + 9:
        next(items)
    after_s = [tried_s - appeared_s for tried_s in camera.tried_s if tried_s > appeared_s]
    assert after_s[:4] == pytest.approx([0.5, 1.5, 3.5, 7.5], abs=1.3)


def test_an_opening_is_no_outage(clock: Clock) -> None:
    """The first item is a frame, though the camera takes two seconds to open; an absent one is told at once."""

    def connect() -> Camera:
        clock.hold(lambda: clock.now_s >= 2)
        return Camera()

    assert next(iter(clock.source(connect))) == FRAME
    absent = next(iter(clock.source(Absent(clock))))
    assert isinstance(absent, Outage) and absent.reason == "no webcam found"


def test_what_is_open_is_passed_on(clock: Clock) -> None:
    """Frames, name and drops are those of the source; closing closes it."""
    absent = Absent(clock)
    absent.is_there = True
    source = clock.source(absent)
    assert source.name == "webcam"
    assert [item for item in source if isinstance(item, Frame)] == [FRAME]
    assert (source.name, source.dropped) == ("camera", 5)
    source.close()
    assert absent.camera.is_closed


def test_a_password_is_told_to_nobody(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """While the camera is awaited, neither the name (status, results), the journal nor an error has the password."""
    for_ever = threading.Event()

    def connect() -> Camera:
        if clock.now_s < 60:
            raise SourceError("no route")
        clock.hold(for_ever.is_set)
        return Camera()

    source = PatientSource("rtsp://eve:hunter2@cam/x", connect, clock, lambda: clock.now_s)
    with pytest.raises(CameraHung, match=r"rtsp://eve:\*\*\*@cam/x: opening it has not ended"):
        list(source)
    for_ever.set()
    clock.wait()
    assert source.name == "rtsp://eve:***@cam/x"
    assert "rtsp://eve:***@cam/x: no route" in caplog.text
    assert "hunter2" not in caplog.text


def test_a_mistake_is_not_waited_for(clock: Clock) -> None:
    """A source that will never exist is an error at once."""

    def connect() -> Camera:
        raise UsageError("no source is called webcm")

    with pytest.raises(UsageError, match="webcm"):
        list(clock.source(connect))


def test_an_opening_that_never_ends_is_told_and_then_ends_the_process(clock: Clock) -> None:
    """While a driver hangs in open, outages go on, so that the watchdog is fed; after 90 s the process must end."""
    for_ever = threading.Event()

    def connect() -> Camera:
        clock.hold(for_ever.is_set)
        return Camera()

    outages = []
    with pytest.raises(CameraHung, match="opening it has not ended for 90 s"):
        outages.extend(clock.source(connect))
    for_ever.set()
    clock.wait()
    assert len(outages) >= 85


def test_a_camera_that_opens_after_the_end_is_given_back(clock: Clock) -> None:
    """Closed while an attempt goes on, the source closes what that attempt opens."""
    go, camera = threading.Event(), Camera()

    def connect() -> Camera:
        clock.hold(go.is_set)
        return camera

    source = clock.source(connect)
    next(iter(source))
    source.close()
    assert not camera.is_closed
    go.set()
    clock.wait()
    assert camera.is_closed


def test_a_forgotten_source_is_closed(clock: Clock) -> None:
    """Left without `close`, what it has opened is closed when it is collected."""
    absent = Absent(clock)
    absent.is_there = True
    for item in clock.source(absent):
        assert item == FRAME
        assert not absent.camera.is_closed
        break
    gc.collect()
    assert absent.camera.is_closed


def test_closing_ends_the_waiting(clock: Clock) -> None:
    """Closed in the middle of a pause, it tries no more, and its iteration ends."""
    absent = Absent(clock)
    with clock.source(absent) as source:
        items = iter(source)
        assert isinstance(next(items), Outage)
    tried = len(absent.tried_s)
    assert list(items) == list(source) == []
    assert len(absent.tried_s) == tried


def test_stop_ends_the_waiting(clock: Clock) -> None:
    """Set in the middle of a pause, the stop ends the source without a word."""
    absent = Absent(clock)
    for _ in clock.source(absent):
        if len(absent.tried_s) == 4:
            clock.set()
    assert clock.now_s < 60
