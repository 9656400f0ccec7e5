"""Messages for journald: priorities, and repeated ones counted."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

from edge_app.service.journal import REPEAT_S, ForJournal, Once, is_journal
from tests.results import command, environment


def record(text: str, *arguments: object, level: int = logging.WARNING) -> logging.LogRecord:
    """Make the record of a message."""
    return logging.LogRecord("edge_app", level, "", 0, text, arguments, None)


def test_every_line_has_its_priority() -> None:
    """journald reads the level from the beginning of each line, sd-daemon(3); a message cannot begin one of its own."""
    formatter = ForJournal()
    assert (
        formatter.format(record("one\n<0>two \x1b[2J"))
        == "<4>one\N{REPLACEMENT CHARACTER}<0>two \N{REPLACEMENT CHARACTER}[2J"
    )
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        traced = record("a bug")
        traced.exc_info = sys.exc_info()
    lines = formatter.format(traced).split("\n")
    assert lines[0] == "<4>a bug" and lines[-2:] == ["<4>ValueError: first", "<4>second"]
    assert all(line.startswith("<4>") for line in lines)
    assert formatter.format(record("bad", level=logging.ERROR)) == "<3>bad"
    assert formatter.format(record("fine", level=logging.INFO)) == "<6>fine"


def test_what_repeats_is_counted_instead_of_said() -> None:
    """The same message, whatever its numbers, is said once a minute, with how often it came."""
    now_s = 0.0
    once = Once(lambda: now_s)
    passed = []
    for second in range(150):
        now_s = float(second)
        message = record("%s: no picture for %.1f s", "webcam", second * 1.1)
        if once.filter(message):
            passed.append(message.getMessage())
    assert passed == [
        "webcam: no picture for 0.0 s",
        "webcam: no picture for 66.0 s (x60 in 60 s)",
        "webcam: no picture for 132.0 s (x60 in 60 s)",
    ]


def test_other_messages_are_not_held_back() -> None:
    """Each message counts for itself, and one that comes back after a minute of silence has no count."""
    now_s = 0.0
    once = Once(lambda: now_s)
    assert [once.filter(record(text)) for text in ("a", "b", "a", "c")] == [True, True, False, True]
    now_s = REPEAT_S
    silent = record("b")
    assert once.filter(silent) and silent.getMessage() == "b"


def test_errors_are_never_held_back() -> None:
    """The same error twice, as for two reloads, is logged twice."""
    once = Once(lambda: 0.0)
    assert [once.filter(record("reload refused", level=logging.ERROR)) for _ in range(3)] == [True] * 3


def test_old_messages_are_forgotten() -> None:
    """A year of different messages does not fill the memory."""
    now_s = 0.0
    once = Once(lambda: now_s)
    for turn in range(1000):
        now_s = turn * REPEAT_S
        once.filter(record(f"file {chr(turn + 200)}"))
    assert len(once._passed) < 5


def test_a_service_on_the_journal_writes_priorities(tmp_path: Path) -> None:
    """A process whose stderr is the stream that JOURNAL_STREAM names begins its lines with priorities."""
    with (tmp_path / "journal").open("wb") as stream:
        status = os.fstat(stream.fileno())
        variables = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        arguments = command("run", "--service", "--source", "synthetic", "--frames", "3", "--log", "out.jsonl")
        subprocess.run(arguments, cwd=tmp_path, env=environment(tmp_path, **variables), stderr=stream, check=True)
    lines = (tmp_path / "journal").read_text().splitlines()
    assert next(line for line in lines if "3 frames classified" in line).startswith("<4>synthetic")


def test_another_stream_is_no_journal(tmp_path: Path) -> None:
    """JOURNAL_STREAM is inherited by children whose stderr goes elsewhere."""
    with (tmp_path / "x").open("w") as stream:
        assert not is_journal(stream, {"JOURNAL_STREAM": "1:2"})
        assert not is_journal(stream, {})
    assert not is_journal(None, {"JOURNAL_STREAM": "1:2"})
