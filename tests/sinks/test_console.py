"""The live status line, on a real terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from edge_app.records import Verdict
from edge_app.sinks import Destination, console
from tests.results import OK, OUTAGE, UNKNOWN, command, environment, result

RUN = ("run", "--source", "synthetic", "--preview", "none", "--log", "out.jsonl", "--frames", "20")


def read_all(descriptor: int) -> str:
    """Read what a terminal was sent until all writers have closed it."""
    parts = []
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # what Linux says at the end
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


def test_one_line_is_rewritten_on_a_terminal(tmp_path: Path) -> None:
    """On a terminal one line is shown and rewritten in place; it ends on a line of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(*RUN), cwd=tmp_path, env=environment(tmp_path), stderr=theirs) as process:
        os.close(theirs)
        shown = read_all(ours)
    os.close(ours)
    assert process.returncode == 0
    updates = [part for part in shown.split("\r\x1b[K")[1:] if " fps  latency p50 " in part]
    assert len(updates) >= 3
    assert all("\n" not in update.rstrip() and len(update.rstrip()) < 80 for update in updates)
    assert updates[-1].endswith("\r\n")
    assert "\r\x1b[Kedge-app: synthetic: 20 frames classified" in shown  # a message takes the line's place


def test_a_pipe_gets_no_status_line(tmp_path: Path) -> None:
    """Piped, stderr has no status line and no escape codes."""
    done = subprocess.run(
        command(*RUN), cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert "latency" not in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (result(OK, fps=30.04), "cat 90%                   30.0 fps  latency p50 1.0 p99 2.0 ms"),
        (result(UNKNOWN, dropped=3), "unknown (cat? 40%)        10.0 fps  latency p50 1.0 p99 2.0 ms  dropped 3"),
        (result(OUTAGE), "no picture: the cable is out"),
    ],
)
def test_each_state_has_its_words(shown: object, line: str) -> None:
    """Label and confidence, the best guess, or why there is no picture."""
    assert console.status_line(shown, 1.0, 2.0) == line  # type: ignore[arg-type]


def test_a_label_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape codes in a label or reason are shown as question marks."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stderr", terminal)
        sink = console.connect(Destination())
        sink.emit(result(Verdict("ok", "\x1b[2Jcat\n", 1.0, (("cat", 1.0),)), done_s=100.0), None)
        sink.close()
    shown = read_all(ours)
    os.close(ours)
    assert shown.startswith("\r\x1b[K\N{REPLACEMENT CHARACTER}[2Jcat\N{REPLACEMENT CHARACTER} 100%")
