"""FPS and latency of the recent past."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app.metering import LATENCY_WINDOW, FpsMeter, LatencyMeter


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
