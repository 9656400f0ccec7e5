"""A running service watches its memory."""

from __future__ import annotations

import logging

import pytest

from edge_app.errors import RunError
from edge_app.service import health
from edge_app.service.health import MEMORY_PERIOD_S, Health
from edge_app.service.notify import Notifier
from edge_app.system.board import Throttling


class World:
    """A clock and an amount of memory."""

    def __init__(self) -> None:
        self.now_s, self.used_mb, self.looks = 0.0, 100, 0
        self.throttling: Throttling | None = None

    def resident(self) -> int:
        """Return the memory and count the calls."""
        self.looks += 1
        return self.used_mb * 2**20

    def health(self, memory_max_mb: float | None) -> Health:
        """Make the watch to test."""
        return Health(Notifier({}), memory_max_mb, self.resident, lambda: self.throttling, lambda: self.now_s)


def test_memory_above_its_limit_ends_the_process() -> None:
    """Below the limit nothing happens; above it the process ends, with the reason in a line, to be restarted."""
    world = World()
    watched = world.health(200)
    for world.now_s in range(0, 100):
        watched.progress()
    assert world.looks == 99 // MEMORY_PERIOD_S
    world.used_mb = 201
    with pytest.raises(RunError, match="201 MiB of memory are in use, 200 are allowed"):
        for world.now_s in range(100, 200):
            watched.progress()
    assert world.now_s <= 100 + MEMORY_PERIOD_S


def test_without_a_limit_nobody_looks() -> None:
    """A run from the command line has no memory limit."""
    world = World()
    watched = world.health(None)
    for world.now_s in range(0, 100):
        watched.progress()
    assert world.looks == 0


def test_throttling_is_said_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    """Throttling is checked once a minute: one line when it begins, one when it ends, no others."""
    world = World()
    watched = world.health(None)
    with caplog.at_level(logging.WARNING):
        for world.now_s in range(0, 1000):
            hot = Throttling(("under-voltage", "throttled"), ())
            world.throttling = hot if 200 <= world.now_s < 600 else Throttling((), hot.now)
            watched.progress()
    assert [record.getMessage() for record in caplog.records] == [
        "the board is slowed down: under-voltage, throttled",
        "the board is no longer slowed down",
    ]


def test_resident_memory_is_what_the_kernel_says() -> None:
    """What is allocated and touched is counted."""
    before = health.resident_bytes()
    block = bytearray(b"x" * (64 * 2**20))
    assert 60 * 2**20 < health.resident_bytes() - before < 140 * 2**20
    assert len(block)
