"""One contract suite over every sink, and over a toy sink added as one file."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_app import sinks
from edge_app.errors import UsageError
from edge_app.sinks import Destination, Guard, Sink
from tests.results import OK, OUTAGE, PICTURE, UNKNOWN, result

TOY = '''
"""A destination in one file: labels, one a line."""

from pathlib import Path


def connect(request):
    return Toy(request.argument)


class Toy:
    wants_picture = False

    def __init__(self, argument):
        self.name = f"toy {argument}"
        self.file = Path(argument.reveal()).open("w")

    def emit(self, result, picture):
        self.file.write(f"{result.verdict.label}\\n")

    def close(self):
        self.file.close()
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Add a sink by putting one file where sinks are looked for."""
    folder = tmp_path / "sinks"
    folder.mkdir()
    (folder / "toy.py").write_text(TOY)
    monkeypatch.setattr(sinks, "__path__", [*sinks.__path__, str(folder)])
    yield f"toy:{tmp_path}/labels.txt"
    sys.modules.pop("edge_app.sinks.toy", None)


@pytest.fixture(params=[*sinks.names(), "toy"])
def text(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name each sink as a user would."""
    if request.param == "log":
        return f"log:{tmp_path}/out.jsonl"
    if request.param == "window":
        request.getfixturevalue("display")
    return request.getfixturevalue("toy") if request.param == "toy" else request.param


@pytest.fixture
def opened(text: str) -> Iterator[tuple[Sink, threading.Event]]:
    """Open the sink and close it after the test."""
    stop = threading.Event()
    sink = sinks.connect(text, Destination(stop=stop))
    yield sink, stop
    sink.close()


def test_every_state_is_taken(opened: tuple[Sink, threading.Event]) -> None:
    """Frames with and without a label and outages are taken, at once and in any order; none of them ends the run."""
    sink, stop = opened
    for verdict in (OUTAGE, OK, OUTAGE, UNKNOWN, OK):
        sink.emit(result(verdict), None if verdict is OUTAGE else PICTURE)
    assert not stop.is_set()


def test_it_says_what_it_is(opened: tuple[Sink, threading.Event], text: str) -> None:
    """A sink has a name, which begins like its string, and says whether it wants pictures."""
    sink, _ = opened
    assert sink.name.startswith(text.partition(":")[0])
    assert isinstance(sink.wants_picture, bool)


def test_closing_twice_is_harmless(opened: tuple[Sink, threading.Event]) -> None:
    """A sink may be closed before its first result, and again."""
    sink, _ = opened
    sink.close()
    sink.close()


def test_it_can_be_guarded(opened: tuple[Sink, threading.Event]) -> None:
    """A guarded sink delivers without failures."""
    guard = Guard(opened[0])
    guard.emit(result(), PICTURE)
    guard.close()
    assert guard.failures == 0


def test_a_sink_added_as_one_file_delivers(toy: str, tmp_path: Path) -> None:
    """One new file in the folder is a sink, found by its name, that gets its argument and the results."""
    assert "toy" in sinks.names()
    sink = sinks.connect(toy, Destination())
    for verdict in (OK, OUTAGE):
        sink.emit(result(verdict), None)
    sink.close()
    assert (tmp_path / "labels.txt").read_text() == "cat\nNone\n"


def test_a_log_delivers_what_a_sink_is_given(tmp_path: Path) -> None:
    """The string after the colon is the sink's argument, colons included."""
    sink = sinks.connect(f"log:{tmp_path}/a:b", Destination())
    sink.emit(result(), None)
    sink.close()
    assert json.loads((tmp_path / "a:b").read_text())["label"] == "cat"


def test_an_unknown_sink_gets_a_suggestion() -> None:
    """The error for an unknown sink suggests the closest name, or lists all."""
    with pytest.raises(UsageError, match="no sink is called 'consol'; did you mean 'console'"):
        sinks.connect("consol", Destination())
    with pytest.raises(UsageError, match="choose one of console, log, window"):
        sinks.connect("_contract", Destination())
