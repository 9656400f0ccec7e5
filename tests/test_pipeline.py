"""The path of a frame, with a source, a classifier and sinks written here to their contracts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app import pipeline
from edge_app.errors import SinkError, UsageError
from edge_app.metering import Stages
from edge_app.model import classifier
from edge_app.model.decision import Decision, Rules
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pipeline import Control, Limits, Recogniser, Summary
from edge_app.records import Box, Crop, Frame, Outage, Picture, Result
from edge_app.settings.sections import ModelOptions
from edge_app.sinks import Guard, Sink
from edge_app.sources import Closeable
from tests.conftest import DATA

GREEN = ArrayPicture(np.full((8, 12, 3), (0, 255, 0), np.uint8))
DAMAGED = JpegPicture(cv2.imencode(".jpg", np.zeros((8, 12, 3), np.uint8))[1].reshape(-1)[:170])  # header, no body
GREEN_OR_NOTHING = Rules(temperature=0.1)


class Listed(Closeable):
    """A source of given items."""

    name, is_sequence, is_live, dropped = "listed", True, False, 3

    def __init__(self, items: Sequence[Frame | Outage]) -> None:
        self.items, self.taken = items, 0

    def __iter__(self) -> Iterator[Frame | Outage]:
        for item in self.items:
            self.taken += 1
            yield item

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class Kept:
    """A sink that keeps what it gets."""

    name, wants_picture = "kept", False

    def __init__(self) -> None:
        self.got: list[tuple[Result, Picture | None]] = []

    def emit(self, result: Result, picture: Picture | None) -> None:
        self.got.append((result, picture))

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


class Failing(Kept):
    """A sink that cannot deliver anything."""

    def emit(self, result: Result, picture: Picture | None) -> None:
        super().emit(result, picture)
        raise SinkError("the disk is full")


def frame(index: int, picture: Picture = GREEN, truth: str | None = None) -> Frame:
    """Make the frame of one tenth of a second."""
    return Frame(index, 100 + index / 10, index / 10, picture, f"{index}.png", truth)


def run(
    items: Sequence[Frame | Outage], *sinks: Sink, frames: int | None = None, stages: Stages | None = None
) -> Summary:
    """Send items through the pipeline with the model whose scores are the mean red, green and blue."""
    model = classifier.load(ModelOptions(model=str(DATA / "mean_int8_unit.tflite"), labels=DATA / "rgb.txt"))
    recogniser = Recogniser(model, Decision(model.labels, GREEN_OR_NOTHING))
    control = Control(stages=stages or Stages())
    return pipeline.tally(pipeline.run(Listed(items), recogniser, sinks, Limits(frames=frames), control))


def test_a_frame_becomes_a_result() -> None:
    """Every frame reaches every sink once, with its label, index, name, truth and picture."""
    sinks = Kept(), Kept()
    summary = run([frame(n, truth=truth) for n, truth in enumerate(["green", "red", None])], *sinks)
    assert summary == Summary(frames=3, damaged=0, agreed=1, known=2)
    assert sinks[0].got == sinks[1].got
    for index, (result, picture) in enumerate(sinks[0].got):
        assert (result.frame, result.name, result.source, result.dropped) == (index, f"{index}.png", "listed", 3)
        assert (result.verdict.state, result.verdict.label) == ("ok", "green")
        assert result.captured_s == 100 + index / 10
        assert picture is GREEN


@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_limits_the_classifications(count: int) -> None:
    """`frames` ends the run after so many classifications, and takes no frame more."""
    source, sink = [frame(n) for n in range(5)], Kept()
    assert run(source, sink, frames=count).frames == len(sink.got) == count


def test_an_outage_passes_through() -> None:
    """An outage is a result of its own: no label, no picture, the reason, and the index of the last frame."""
    sink = Kept()
    summary = run([Outage("cable", 1.0, 2.0), frame(0), Outage("cable again", 3.0, 4.0), frame(5)], sink)
    assert summary.frames == 2
    assert [r.verdict.state for r, _ in sink.got] == ["outage", "ok", "outage", "ok"]
    assert [r.reason for r, _ in sink.got] == ["cable", None, "cable again", None]
    assert [r.frame for r, _ in sink.got] == [-1, 0, 0, 5]
    lost, picture = sink.got[2]
    assert (lost.verdict.label, lost.verdict.confidence, lost.verdict.top, lost.captured_s) == (None, None, (), 4.0)
    assert (picture, lost.fps) == (None, 0.0)


def test_a_damaged_picture_is_counted_and_said() -> None:
    """A picture that cannot be decoded is an outage line that names it, is counted, and the run goes on."""
    sink = Kept()
    summary = run([frame(0), frame(1, DAMAGED), frame(2)], sink)
    assert (summary.frames, summary.damaged) == (2, 1)
    broken, picture = sink.got[1]
    assert (broken.verdict.state, broken.verdict.label, broken.frame, broken.name) == ("outage", None, 1, "1.png")
    assert (broken.reason or "").startswith("damaged picture: ")
    assert picture is None


def test_damaged_pictures_do_not_count_as_frames() -> None:
    """`frames` counts classifications; damaged pictures are none."""
    assert run([frame(0, DAMAGED), frame(1), frame(2, DAMAGED), frame(3)], frames=1) == Summary(1, 1, 0, 0)


def test_a_failing_sink_stops_nothing() -> None:
    """What one sink cannot deliver, the others still get, and every frame is classified."""
    failing, kept = Failing(), Kept()
    guard = Guard(failing)
    assert run([frame(n) for n in range(5)], guard, kept).frames == 5
    assert len(failing.got) == len(kept.got) == guard.failures == 5


class Clock(threading.Event):
    """A clock and the stop that waits on it: waiting makes the time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, timeout: float | None = None) -> bool:
        """Let the time pass at once."""
        if not self.is_set():
            self.now_s += timeout or 0.0
        return self.is_set()


def paced_times(clock: Clock, delays_s: Sequence[float], work_s: float = 0.0, **limits: Any) -> list[float]:
    """Return when each frame of a source was handed on that lets so much time pass before each."""

    class Slow(Listed):
        def __iter__(self) -> Iterator[Frame | Outage]:
            for index, delay_s in enumerate(delays_s):
                clock.now_s += delay_s
                yield frame(index)

    times = []
    for _ in pipeline.paced(Slow([]), Limits(**limits), Control(clock), clock):
        times.append(clock.now_s)
        clock.now_s += work_s
    return times


@given(st.floats(0.05, 100), st.lists(st.floats(0, 5), min_size=2, max_size=40), st.floats(0, 0.2))
def test_the_rate_is_never_exceeded(rate_hz: float, delays_s: list[float], work_s: float) -> None:
    """In no stretch of time there are more frames than its length times the rate, and one."""
    times = paced_times(Clock(), delays_s, work_s, rate_hz=rate_hz)
    assert len(times) == len(delays_s)
    for first in range(len(times)):
        for last in range(first + 1, len(times)):
            assert last - first <= (times[last] - times[first]) * rate_hz + 1 + 1e-6


def test_the_mean_rate_is_the_one_asked_for() -> None:
    """Work and the camera's own delay, as long as they fit, do not lower the rate."""
    times = paced_times(Clock(), [0.03] * 101, work_s=0.02, rate_hz=10)
    assert times[-1] - times[0] == pytest.approx(10, abs=0.05)


def test_a_stall_is_not_caught_up() -> None:
    """After a stall, as before the first frame, the next frame waits its full interval."""
    assert paced_times(Clock(), [5, 0, 0, 7.5, 0, 0], rate_hz=1) == pytest.approx([5, 6, 7, 15.5, 16.5, 17.5])


def test_duration_ends_a_run_even_between_two_frames_of_a_low_rate() -> None:
    """`duration_s` holds while the rate lets the source rest: the run does not sleep past its end."""
    clock = Clock()
    assert paced_times(clock, [0.0] * 9, rate_hz=0.001, duration_s=5.0) == [0.0]
    assert clock.now_s == 5.0
    assert paced_times(Clock(), [1.0] * 9, duration_s=3.5) == [1, 2, 3, 4]


def test_stop_ends_the_run_at_once() -> None:
    """A stop set while a frame is worked on ends the run before the next one is taken."""
    clock = Clock()
    source = Listed([frame(n) for n in range(5)])
    for _ in pipeline.paced(source, Limits(rate_hz=0.001), Control(clock), clock):
        clock.set()
    assert (source.taken, clock.now_s) == (1, 0.0)


def test_a_lost_camera_is_told_in_a_long_pause() -> None:
    """However low the rate, a live camera is looked at every second: early frames are passed over, outages told."""
    clock = Clock()
    source = Listed([frame(0), frame(1), frame(2), Outage("gone", 0.0, 0.0), frame(3)])
    source.is_live = True
    told = [(clock.now_s, item) for item in pipeline.paced(source, Limits(rate_hz=0.01), Control(clock), clock)]
    assert told == [(0.0, source.items[0]), (3.0, source.items[3])]


def test_an_absurd_rate_waits_in_pieces() -> None:
    """A rate of one frame in a million years waits, in pieces that the system can wait, and can be stopped."""

    class Patient(Clock):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            assert timeout <= threading.TIMEOUT_MAX
            if self.now_s > 1e5:
                self.set()
            return super().wait(timeout)

    assert paced_times(Patient(), [0.0] * 3, rate_hz=1e-300) == [0.0]


def test_every_stage_of_a_frame_is_timed() -> None:
    """Each classified frame has a time for each stage, a damaged one and an outage have none."""
    stages = Stages()
    items = [frame(0), frame(1, DAMAGED), Outage("gone", 100.0, 101.0), frame(2)]
    run(items, Kept(), stages=stages)
    found = stages.milliseconds()
    assert stages.count == 2
    for stage in ("decode", "shrink", "quantise", "invoke", "decide", "sinks"):
        assert (found[stage] > 0).all(), stage
    assert (found["draw"] == 0).all()  # nobody looks


class Slow(Kept):
    """A sink that takes its time."""

    def __init__(self, clock: Clock, wants_picture: bool) -> None:
        super().__init__()
        self.clock, self.wants_picture = clock, wants_picture

    def emit(self, result: Result, picture: Picture | None) -> None:
        self.clock.now_s += 0.02 if self.wants_picture else 0.005
        super().emit(result, picture)


def test_who_shows_the_picture_is_timed_apart() -> None:
    """What a viewer takes counts as drawing, whatever order the sinks stand in."""
    clock = Clock()
    viewer, log = Slow(clock, True), Slow(clock, False)
    for sinks in ([viewer, log], [log, viewer]):
        stages = Stages(clock=clock)
        run([frame(0)], *sinks, stages=stages)
        found = stages.milliseconds()
        assert (found["draw"][0], found["sinks"][0]) == (pytest.approx(20), pytest.approx(5))


def test_results_come_one_by_one() -> None:
    """Whoever pulls results gets each as soon as every sink has it, and no frame is taken ahead."""
    model = classifier.load(ModelOptions(model=str(DATA / "mean_int8_unit.tflite"), labels=DATA / "rgb.txt"))
    source, sink = Listed([frame(n) for n in range(3)]), Kept()
    results = pipeline.run(source, Recogniser(model, Decision(model.labels, Rules())), [sink], Limits(), Control())
    for count, result in enumerate(results, 1):
        assert (source.taken, len(sink.got), result) == (count, count, sink.got[-1][0])


def test_a_crop_that_no_picture_of_a_camera_has_ends_the_run() -> None:
    """A camera whose first picture the crop lies outside of is wrong usage; a folder may have other pictures."""
    model = classifier.load(ModelOptions(model=str(DATA / "mean_int8_unit.tflite"), labels=DATA / "rgb.txt"))
    outside = Recogniser(model, Decision(model.labels, Rules()), Crop("box", Box(0, 0, 99, 99)))
    source = Listed([frame(0), frame(1)])
    assert pipeline.tally(pipeline.run(source, outside, [], Limits(), Control())).damaged == 2
    source.is_live = True
    with pytest.raises(UsageError, match="lies outside the picture of 12x8; choose another --crop"):
        pipeline.tally(pipeline.run(source, outside, [], Limits(), Control()))
