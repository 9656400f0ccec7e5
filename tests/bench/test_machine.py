"""The machine measured on."""

from __future__ import annotations

import os

import cv2
import pytest

from edge_app.bench import machine
from edge_app.bench.machine import Machine, Moment
from edge_app.system import board
from edge_app.system.board import Throttling

QUIET = Machine("Pi", "A72", 4, "performance", "Linux", {})
CALM = Moment(50.0, (), (), 0.0)


def test_this_machine_is_described() -> None:
    """The versions are those that run here, however they were installed."""
    found = machine.describe()
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.versions["opencv"] == cv2.__version__ and "numpy" in found.versions


def test_the_state_tells_what_has_been_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttling now and since boot; None if the board does not report it."""
    monkeypatch.setattr(board, "throttling", lambda: Throttling(("throttled",), ("under-voltage", "throttled")))
    found = machine.moment()
    assert (found.throttled, found.throttled_before) == (("throttled",), ("under-voltage", "throttled"))
    monkeypatch.setattr(board, "throttling", lambda: None)
    assert machine.moment().throttled is None and machine.moment().throttled_before is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (CALM, CALM, set()),
        (Moment(None, None, None, 0.0), Moment(None, None, None, 0.0), set()),
        (Moment(50.0, ("throttled",), ("throttled",), 0.0), CALM, {"throttled"}),
        (CALM, Moment(50.0, (), ("under-voltage",), 0.0), {"under-voltage"}),
        (Moment(50.0, (), ("under-voltage",), 0.0), Moment(50.0, (), ("under-voltage",), 0.0), set()),
    ],
)
def test_what_happens_in_between_is_not_missed(before: Moment, after: Moment, expected: set[str]) -> None:
    """Under-voltage in the middle of a run is reported; under-voltage before it is not."""
    assert machine.slowed_down(before, after) == expected
    assert len(machine.doubts(QUIET, before, after)) == len(expected)
