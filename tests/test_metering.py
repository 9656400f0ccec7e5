"""FPS and latency of the recent past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.metering import LATENCY_WINDOW, STAGES, TOTAL, FpsMeter, LatencyMeter, Stages


@given(st.floats(0.2, 500), st.integers(2, 300))
def test_steady_events_have_their_rate(rate_hz: float, count: int) -> None:
    """N events at a steady rate give that rate: intervals by elapsed time, not one too many."""
    meter = FpsMeter()
    rates = [meter.tick(1000 + number / rate_hz) for number in range(count)]
    assert rates[0] == 0
    assert rates[1:] == pytest.approx([rate_hz] * (count - 1), rel=1e-6)


def test_the_window_slides() -> None:
    """What is older than the window no longer counts."""
    meter = FpsMeter(window_s=2.0)
    for number in range(100):
        meter.tick(number / 10)
    for number in range(41):
        rate = meter.tick(10 + number / 20)
    assert rate == pytest.approx(20, rel=0.01)


def test_reset_forgets() -> None:
    """After an outage the rate begins anew."""
    meter = FpsMeter()
    meter.tick(0.0)
    meter.reset()
    assert meter.tick(10.0) == 0
    assert meter.tick(10.1) == pytest.approx(10)


@pytest.mark.parametrize("times", [(5.0, 5.0), (5.0, 4.0)])
def test_a_clock_that_stands_still_or_goes_back_gives_no_rate(times: tuple[float, float]) -> None:
    """Two events at one time, or in the wrong order, are no infinite or negative rate."""
    meter = FpsMeter()
    assert [meter.tick(at_s) for at_s in times] == [0.0, 0.0]


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=2 * LATENCY_WINDOW))
def test_percentiles_are_of_the_newest_values(values: list[float]) -> None:
    """Percentiles are numpy's, of the last values only."""
    meter = LatencyMeter()
    for value in values:
        meter.add(value)
    assert meter.percentiles(0, 50, 99) == pytest.approx(np.percentile(values[-LATENCY_WINDOW:], [0, 50, 99]))


def test_no_values_have_no_percentiles() -> None:
    """Before the first value they are zero."""
    assert LatencyMeter().percentiles(50, 99) == [0.0, 0.0]


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def passed(stages: Stages, clock: Clock, **took_s: float) -> None:
    """Let a frame pass some stages that take so long."""
    stages.begin(clock.now_s - took_s.pop("capture", 0.0))
    for stage, length_s in took_s.items():
        clock.now_s += length_s
        stages.lap(stage)
    stages.end()


def test_each_stage_has_its_time() -> None:
    """Durations are those between laps, from the time stamp of the capture on; their sum is the total."""
    clock = Clock()
    stages = Stages(60, clock)
    passed(stages, clock, capture=0.002, decode=0.003, shrink=0.001, invoke=0.004)
    passed(stages, clock, decode=0.005, decide=0.001)
    found = stages.milliseconds()
    assert list(found) == [*STAGES, TOTAL]
    assert found["capture"] == pytest.approx([2, 0]) and found["decode"] == pytest.approx([3, 5])
    assert found["sinks"] == pytest.approx([0, 0])
    assert found[TOTAL] == pytest.approx([10, 6])


def test_the_frames_of_the_window_are_kept_in_order() -> None:
    """A window of three seconds shows the frames that ended in it, oldest first; in a pause they grow old too."""
    clock = Clock()
    stages = Stages(3, clock)
    assert len(stages.milliseconds()[TOTAL]) == 0 and stages.percentiles() == {}
    for number in range(5):
        clock.now_s += 0.9
        passed(stages, clock, invoke=number / 1000)
    assert stages.milliseconds()["invoke"] == pytest.approx([1, 2, 3, 4])
    clock.now_s += 2
    assert stages.milliseconds()["invoke"] == pytest.approx([3, 4])
    clock.now_s += 60
    assert stages.percentiles() == {}


def test_percentiles_of_every_stage() -> None:
    """Of a hundred frames that take 1 to 100 ms: the median, the 90th, the 99th percentile and the slowest."""
    clock = Clock()
    stages = Stages(60, clock)
    for number in range(1, 101):
        passed(stages, clock, invoke=number / 1000)
    found = stages.percentiles()
    assert list(found) == [*STAGES, TOTAL]
    assert found["invoke"] == found[TOTAL] == pytest.approx([50.5, 90.1, 99.01, 100])
    assert found["decode"] == [0, 0, 0, 0]


def test_a_frame_that_is_given_up_does_not_count() -> None:
    """A damaged picture's stages leave no trace."""
    clock = Clock()
    stages = Stages(60, clock)
    passed(stages, clock, invoke=0.001)
    stages.begin(clock.now_s - 5)
    clock.now_s += 7
    stages.lap("decode")
    passed(stages, clock, invoke=0.002)
    found = stages.milliseconds()
    assert found["invoke"] == pytest.approx([1, 2]) and found["decode"] == pytest.approx([0, 0])
    assert stages.count == 2
