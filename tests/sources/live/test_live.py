"""A live source as a whole, with its thread: opening, newest frame, outages, and how it ends."""

from __future__ import annotations

import gc
import os
import queue
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_app.errors import CameraHung, CameraLost, SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.records import Frame, Outage
from edge_app.sources import Camera, Capture, LiveSource, Request, _live
from edge_app.sources._live import _patience
from tests.clocks import FakeClock

PICTURE = ArrayPicture(np.zeros((4, 6, 3), np.uint8))
LIMIT_S = 30.0  # for what ends at once unless something is broken, on a machine that does other things too


class Puppet(Camera):
    """A camera whose every call the test decides: a call waits until it is told what to do, then does it."""

    def __init__(self) -> None:
        self.told: queue.Queue[Callable[[], Capture | None]] = queue.Queue()
        self.asking = threading.Semaphore(0)
        self.is_closed = threading.Event()

    def open(self) -> str:
        return "puppet"

    def read(self) -> Capture | None:
        self.asking.release()
        return self.told.get()()

    def close(self) -> None:
        self.is_closed.set()

    def do(self, action: Callable[[], Capture | None]) -> None:
        """Have the camera do something, and return when the thread has dealt with it and asks for more."""
        assert self.asking.acquire(timeout=LIMIT_S)
        self.told.put(action)
        assert self.asking.acquire(timeout=LIMIT_S)
        self.asking.release()

    def show(self) -> None:
        """Have it show a picture."""
        self.do(lambda: Capture(PICTURE, 0.0))

    def lose(self) -> None:
        """Have it vanish, and be there again."""

        def read() -> Capture:
            raise CameraLost("unplugged")

        self.do(read)

    def let_go(self) -> None:
        """End the call that goes on."""
        self.told.put(lambda: None)


class Passing(FakeClock):
    """A clock on which so much time passes whenever the main thread looks; nobody sleeps for it."""

    step_s = 0.0

    def __call__(self) -> float:
        if threading.current_thread() is threading.main_thread():
            self.now_s += self.step_s
        return self.now_s


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait in real seconds, for time is the clock's; only a thread that ends may take its time."""
    monkeypatch.setattr(_live, "CLOSE_S", LIMIT_S)
    monkeypatch.setattr(_live, "POLL_S", 0.0)
    monkeypatch.setattr(_patience, "BACKOFF_S", (0.0,))


@pytest.fixture
def camera() -> Puppet:
    """Make a camera that shows nothing yet."""
    return Puppet()


@pytest.fixture
def source(camera: Puppet) -> Iterator[LiveSource]:
    """Open it, on a clock that stands still."""
    source = LiveSource(camera, Request(), FakeClock())
    yield source
    camera.let_go()
    source.close()


def capture_threads() -> list[threading.Thread]:
    """Return the capture threads that run."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(_live.THREAD_NAME)]


@pytest.mark.parametrize("forgotten", ["open", "read", "close"])
def test_a_camera_that_forgets_a_method_does_not_open(forgotten: str) -> None:
    """Whoever adds a camera learns at once what it lacks, not when the first run ends."""
    methods = {"open": lambda _: "half", "read": lambda _: None, "close": lambda _: None}
    del methods[forgotten]
    half: type[Camera] = type("Half", (Camera,), methods)
    with pytest.raises(TypeError, match=f"abstract class Half.*{forgotten}"):
        half()


def test_the_newest_frame_is_delivered(camera: Puppet, source: LiveSource) -> None:
    """Of five frames nobody took the last is delivered, and four count as dropped."""
    for _ in range(5):
        camera.show()
    frame = next(iter(source))
    assert isinstance(frame, Frame)
    assert (frame.index, source.dropped, source.name) == (4, 4, "puppet")


def test_two_hundred_losses_leave_nothing_behind(camera: Puppet, source: LiveSource) -> None:
    """Two hundred unplug and replug cycles: every picture arrives, threads stay flat."""
    items = iter(source)
    threads = threading.active_count()
    for number in range(200):
        camera.show()
        frame = next(items)
        assert isinstance(frame, Frame)
        assert frame.index == number
        camera.lose()
    assert threading.active_count() == threads


def test_silence_is_an_outage_again_and_again(camera: Puppet) -> None:
    """While nothing comes, an outage is told every second, with its beginning and a reason; then the call hangs."""
    clock = Passing()
    told: list[Frame | Outage] = []
    with LiveSource(camera, Request(), clock) as source:
        clock.step_s = 0.25
        with pytest.raises(CameraHung, match="a capture call has not returned for"):
            told.extend(source)
        camera.let_go()
    outages = [item for item in told if isinstance(item, Outage)]
    assert len(outages) == len(told) >= 6
    assert {outage.since_s for outage in outages} == {outages[0].since_s}
    assert np.diff([outage.observed_s for outage in outages]) == pytest.approx(1.0, abs=0.25)
    assert all(outage.reason.startswith("no picture for") for outage in outages)


def test_a_call_that_never_returns_does_not_keep_the_source_open(
    camera: Puppet, source: LiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing leaves a thread behind that hangs in its camera."""
    monkeypatch.setattr(_live, "CLOSE_S", 0.0)
    assert camera.asking.acquire(timeout=LIMIT_S)
    source.close()
    assert not camera.is_closed.is_set()
    camera.let_go()
    assert camera.is_closed.wait(LIMIT_S)


def test_first_opening_fails_at_once() -> None:
    """A camera that is not there when the run starts is an error, not an outage."""

    class Absent(Puppet):
        def open(self) -> str:
            raise SourceError("/dev/video7 does not exist")

    with pytest.raises(SourceError, match="/dev/video7 does not exist"):
        LiveSource(Absent(), Request())


def test_a_first_opening_that_hangs_is_told() -> None:
    """A driver that never comes back from opening is an error after a minute."""
    release, clock = threading.Event(), Passing()

    class Stuck(Puppet):
        def open(self) -> str:
            clock.step_s = 0.25
            release.wait()
            return "stuck"

    with pytest.raises(CameraHung, match="camera being opened: a capture call has not returned for 60 s"):
        LiveSource(Stuck(), Request(), clock)
    release.set()


def test_stop_during_a_slow_opening() -> None:
    """A stop is obeyed while the camera is still being opened."""
    release, stop = threading.Event(), threading.Event()

    class Slow(Puppet):
        def open(self) -> str:
            release.wait()
            return "slow"

        def read(self) -> Capture | None:
            return None

    stop.set()
    with LiveSource(Slow(), Request(stop=stop)) as source:
        assert list(source) == []
        release.set()


def test_closing_gives_the_camera_back_and_ends_the_iteration(camera: Puppet) -> None:
    """After the block the device is closed, the thread gone, and whoever iterates gets nothing more."""
    with LiveSource(camera, Request(), FakeClock()) as source:
        items = iter(source)
        camera.show()
        next(items)
        camera.let_go()
    assert camera.is_closed.is_set()
    assert list(items) == list(source) == []
    source.close()


class Endless(Puppet):
    """A camera that always has a picture."""

    def read(self) -> Capture | None:
        return Capture(PICTURE, 0.0)


def test_a_source_that_is_forgotten_is_closed() -> None:
    """A bare loop keeps its source open; left without `close`, the source is collected and its thread ends."""
    camera = Endless()
    before = set(capture_threads())
    for number, _ in enumerate(LiveSource(camera, Request(), FakeClock())):
        assert set(capture_threads()) > before
        if number == 3:
            break
    gc.collect()
    assert camera.is_closed.is_set()
    assert set(capture_threads()) <= before


def test_a_source_that_is_collected_by_its_own_thread_is_closed() -> None:
    """The collector may run in any thread, in the capture thread too, which must not wait for itself."""
    collected = threading.Event()

    class Collecting(Endless):
        def read(self) -> Capture | None:
            if collected.is_set():
                gc.collect()
            return super().read()

    camera = Collecting()
    source = LiveSource(camera, Request(), FakeClock())
    cycle: list[object] = [source]
    cycle.append(cycle)
    alive = weakref.ref(source)
    del source, cycle
    collected.set()
    assert camera.is_closed.wait(LIMIT_S)
    assert alive() is None


SCRIPTS = {
    "synthetic": """
        from edge_app import sources
        from edge_app.sources import Request

        source = sources.connect("synthetic:jpeg", Request())
        for item in source:
            break
    """,
    "webcam": """
        from edge_app.sources import Request, webcam
        from edge_app.sources._fake_webcam import FakeWebcam, jpeg
        from edge_app.system.v4l2 import Mode

        drivers = FakeWebcam(Mode("MJPG", 64, 48), jpeg()).drivers
        for item in webcam.connect(Request(argument="/dev/video0"), drivers):
            break
    """,
    "patient": """
        import threading
        from edge_app import sources
        from edge_app.service.waiting import PatientSource
        from edge_app.sources import Request

        source = PatientSource("x", lambda: sources.connect("synthetic:jpeg", Request()), threading.Event())
        for item in source:
            break
    """,
    "attempt": """
        import threading
        from edge_app.service import waiting
        from edge_app.sources import LiveSource, Request
        from edge_app.sources.synthetic import SyntheticCamera

        class Slow(SyntheticCamera):
            def open(self):
                threading.Event().wait()

        waiting.QUIET_S = 0.0
        connect = lambda: LiveSource(Slow(None, None), Request())
        for item in waiting.PatientSource("x", connect, threading.Event()):
            break
    """,
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_that_leaves_its_loop_ends_cleanly(script: str, tmp_path: Path) -> None:
    """Three times of three: exit code 0 and not a word, though nobody closed what was iterated over."""
    program = tmp_path / "script.py"
    lines = SCRIPTS[script].splitlines()
    program.write_text("\n".join(line[8:] for line in lines))
    for _ in range(int(os.environ.get("EDGE_APP_TEST_EXITS", "3"))):
        done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_camera_is_given_back_when_the_interpreter_exits(tmp_path: Path) -> None:
    """The capture thread is ended and waited for: the last thing it does is to close the camera."""
    program = tmp_path / "script.py"
    program.write_text("""
from edge_app.sources import Camera, LiveSource, Request, _live

class Idle(Camera):
    def open(self):
        return "idle"

    def read(self):
        return None

    def close(self):
        print("given back")

_live.CLOSE_S = 30.0
source = LiveSource(Idle(), Request())
""")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "given back\n", "")
