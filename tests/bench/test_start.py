"""How programs start."""

from __future__ import annotations

import sys

import pytest

from edge_app.bench import start
from edge_app.errors import RunError

BIG = "print('here', flush=True); import time; kept = bytearray(64 << 20); kept[::4096] = b'x' * len(kept[::4096])"


def test_the_first_line_and_the_peak() -> None:
    """What comes after the first line does not count for its time, and does for the memory."""
    small = start.measure([sys.executable, "-c", "print('here')"])
    big = start.measure([sys.executable, "-c", BIG])
    assert 0 < small.first_line_s < 10 and 0 < big.first_line_s < 10
    assert small.peak_mb < 40
    assert 60 < big.peak_mb - small.peak_mb < 90


def test_ones_own_memory_is_not_taken_for_the_programs() -> None:
    """However much this process has."""
    kept = bytearray(200 << 20)
    kept[::4096] = b"x" * len(kept[::4096])
    assert start.measure([sys.executable, "-c", "print('here')"]).peak_mb < 40


@pytest.mark.parametrize("program", ["raise SystemExit(3)", "pass", "print('here'); raise SystemExit(1)"])
def test_a_program_that_fails_or_is_silent_is_said(program: str) -> None:
    """With its command."""
    with pytest.raises(RunError, match="ended with"):
        start.measure([sys.executable, "-c", program])
