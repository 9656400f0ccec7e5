"""The start of programs: time and memory."""

from __future__ import annotations

import os
import sys

import pytest

from edge_app.bench import start
from edge_app.errors import RunError, SourceError

BIG = "print('here', flush=True); import time; kept = bytearray(64 << 20); kept[::4096] = b'x' * len(kept[::4096])"


def test_the_first_line_and_the_peak() -> None:
    """Work after the first line counts for the memory, but not for the time."""
    small = start.measure([sys.executable, "-c", "print('here')"])
    big = start.measure([sys.executable, "-c", BIG])
    assert 0 < small.first_line_s < 10 and 0 < big.first_line_s < 10
    assert small.peak_mb < 40
    assert 60 < big.peak_mb - small.peak_mb < 90


def test_ones_own_memory_is_not_taken_for_the_programs() -> None:
    """The peak is the program's own, however much memory this process has."""
    kept = bytearray(200 << 20)
    kept[::4096] = b"x" * len(kept[::4096])
    assert start.measure([sys.executable, "-c", "print('here')"]).peak_mb < 40


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit(3)", "ended with 3: it gave no reason"),
        ("raise SystemExit('no disk')", "ended with 1: no disk"),
        ("print('here'); raise SystemExit(1)", "ended with 1"),
        ("pass", "printed nothing"),
        ("import os; os.abort()", "crashed \\(signal 6\\)"),
    ],
)
def test_a_program_that_fails_or_is_silent_is_said(program: str, said: str) -> None:
    """The error has its last message, but not its command line, which may contain passwords."""
    with pytest.raises(RunError, match=said) as caught:
        start.measure([sys.executable, "-c", program, "rtsp://user:secret@host/path"])
    assert sys.executable not in str(caught.value) and "rtsp" not in str(caught.value)


def test_much_on_stderr_before_the_first_line_holds_nothing_up() -> None:
    """Output on stderr beyond a pipe's capacity does not block the program."""
    chatty = "import sys; sys.stderr.write('x' * 300_000 + '\\n'); print('here')"
    assert start.measure([sys.executable, "-c", chatty]).first_line_s > 0


def test_the_error_of_an_edge_app_is_passed_on() -> None:
    """The error keeps its class and therefore its exit code."""
    words = ("-m", "edge_app", "run", "--config", os.devnull, "--source", "webcam:/dev/video99", "--preview", "none")
    with pytest.raises(SourceError) as caught:
        start.measure([sys.executable, *words])
    assert (caught.value.what, caught.value.exit_code) == ("/dev/video99 does not exist", 3)
    assert caught.value.remedy == "'edge-app sources' lists the cameras"
