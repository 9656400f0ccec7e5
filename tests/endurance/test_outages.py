"""A day with a bad cable, on a clock that runs as fast as the program."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edge_app import pipeline
from edge_app.errors import CameraLost, SourceError
from edge_app.model import classifier
from edge_app.model.decision import Decision, Rules
from edge_app.pictures.array import ArrayPicture
from edge_app.pipeline import Control, Limits, Recogniser
from edge_app.records import Picture, Result
from edge_app.settings.sections import ModelOptions
from edge_app.sources import Request, _live
from edge_app.sources._live import Camera, Capture, LiveSource, _patience

DAY_S = 24 * 3600.0
PICTURE = ArrayPicture(np.full((48, 64, 3), 90, np.uint8))


class Day:
    """Simulated seconds: they pass whenever the loop looks at the clock, faster while the camera is away."""

    def __init__(self) -> None:
        chance = random.Random(24)
        self.now_s = 0.0
        self.changes: list[float] = []  # the camera goes at even places and is back at odd ones
        while not self.changes or self.changes[-1] < DAY_S - 1300:
            last_s = self.changes[-1] if self.changes else 0.0
            gone_s = last_s + chance.uniform(5, 20)
            self.changes += [gone_s, gone_s + chance.choice([4.0, 30.0, 300.0, 1200.0]) * chance.uniform(0.5, 1)]
        self._looker = threading.get_ident()
        self.calls, self._seen_calls = 0, 0  # of the camera
        self._lock = threading.Lock()

    @property
    def is_present(self) -> bool:
        """Whether the camera is there now."""
        return int(np.searchsorted(self.changes, self.now_s, side="right")) % 2 == 0

    def clock(self) -> float:
        """Return the time; the loop makes it pass, once for each call of the camera: a slow machine is no hang."""
        with self._lock:
            if threading.get_ident() == self._looker and self.calls > self._seen_calls:
                self._seen_calls = self.calls
                self.now_s += self._step_s()
            return self.now_s

    def _step_s(self) -> float:
        """Return less than what counts as hung, and little just after and before a change."""
        if self.is_present:
            return 0.1
        place = int(np.searchsorted(self.changes, self.now_s, side="right"))
        since_s, left_s = self.now_s - self.changes[place - 1], self.changes[place] - self.now_s
        return 0.3 if since_s < 5 else min(4.0, max(0.1, left_s))


class BadCable(Camera):
    """A camera that is there and gone by the day's schedule."""

    def __init__(self, day: Day) -> None:
        self._day, self.opened, self.closed = day, 0, 0
        self._wait = threading.Event().wait

    def open(self) -> str:
        self._day.calls += 1
        if not self._day.is_present:
            raise SourceError("/dev/video0 does not exist")
        self.opened += 1
        return "bad cable"

    def read(self) -> Capture | None:
        self._wait(0.0002)
        self._day.calls += 1
        if not self._day.is_present:
            raise CameraLost("unplugged")
        return Capture(PICTURE, time.monotonic())

    def close(self) -> None:
        self.closed += 1


class Transitions:
    """A sink that keeps what changes, with the day's time."""

    name, wants_picture = "transitions", False

    def __init__(self, day: Day, stop: threading.Event) -> None:
        self._day, self._stop = day, stop
        self.seen: list[tuple[str, float]] = []

    def emit(self, result: Result, picture: Picture | None) -> None:
        state = "outage" if result.verdict.state == "outage" else "picture"
        if not self.seen or self.seen[-1][0] != state:
            self.seen.append((state, self._day.now_s))
        if self._day.now_s > DAY_S:
            self._stop.set()

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def open_descriptors() -> int:
    """Count the files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_day_of_outages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every outage is told within five seconds, every return within five; threads and descriptors stay flat."""
    monkeypatch.setattr(_patience, "BACKOFF_S", (0.0005,))  # real seconds, as the thread waits for them
    monkeypatch.setattr(_live, "POLL_S", 0.002)
    day, stop = Day(), threading.Event()
    model = classifier.load(ModelOptions(model="cifar10-lecture"))
    source = LiveSource(BadCable(day), Request(stop=stop), day.clock)
    sink = Transitions(day, stop)
    before = threading.active_count(), open_descriptors()
    recogniser = Recogniser(model, Decision(model.labels, Rules()))
    summary = pipeline.tally(pipeline.run(source, recogniser, [sink], Limits(), Control(stop)))
    after = threading.active_count(), open_descriptors()
    source.close()
    told = sink.seen[1:]  # the first picture is no change
    late_s = [seen_s - due_s for (_, seen_s), due_s in zip(told, day.changes, strict=False)]
    changed = sum(change < DAY_S for change in day.changes)
    print(f"{changed} changes in {day.now_s / 3600:.1f} h, {len(told)} told, {max(late_s):.1f} s late at most")
    print(f"{summary.frames} pictures classified; threads and descriptors {before} before, {after} after")
    assert [state for state, _ in told] == ["outage", "picture"] * (len(told) // 2)
    assert len(told) == changed
    assert max(late_s) < 5
    assert after == before
