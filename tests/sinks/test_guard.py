"""The guard that keeps a failing sink from stopping anything."""

from __future__ import annotations

import logging

import pytest

from edge_app.errors import SinkError
from edge_app.records import Picture, Result
from edge_app.sinks import Guard
from tests.results import PICTURE, result


class Moody:
    """A sink that fails on request."""

    name, wants_picture = "moody", True

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.delivered = 0

    def emit(self, result: Result, picture: Picture | None) -> None:
        if self.error:
            raise self.error
        self.delivered += 1

    def close(self) -> None:
        """Fail here too."""
        if self.error:
            raise self.error


def test_what_works_passes_through() -> None:
    """A working sink gets everything, and nothing is reported."""
    inner = Moody()
    guard = Guard(inner)
    guard.emit(result(), PICTURE)
    guard.close()
    assert (inner.delivered, guard.failures, guard.name, guard.wants_picture) == (1, 0, "moody", True)


@pytest.mark.parametrize("error", [SinkError("the disk is full"), ValueError("a bug"), OSError(28, "full")])
def test_failures_are_counted_and_said_once_a_minute(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is reported at once, then at most once a minute with a count, and summed up at the end."""
    now_s, inner = 50.0, Moody()
    guard = Guard(inner, lambda: now_s)
    inner.error = error
    with caplog.at_level(logging.WARNING):
        for _ in range(600):
            guard.emit(result(), None)
            now_s += 0.2
        inner.error = None
        guard.emit(result(), None)
        guard.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"moody: {error}",
        f"moody: {error} (x300)",
        "moody: failed 600 times",
    ]
    assert (guard.failures, inner.delivered) == (600, 1)


def test_closing_fails_quietly(caplog: pytest.LogCaptureFixture) -> None:
    """A sink that cannot even be closed is reported, and closing goes on."""
    inner = Moody()
    guard = Guard(inner)
    inner.error = SinkError("stuck")
    guard.close()
    assert "moody: stuck" in caplog.text


def test_an_interrupt_is_not_swallowed() -> None:
    """Only errors are swallowed; what ends the program passes."""

    class Ending(Moody):
        def emit(self, result: Result, picture: Picture | None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guard(Ending()).emit(result(), None)
