"""Calls in a child process: their errors come back as they were raised."""

from __future__ import annotations

import threading

import pytest

from edge_app import errors
from edge_app.errors import ConfigError, DependencyMissing, EdgeAppError, SourceError, UsageError
from edge_app.system import children


def call(function: str, *arguments: str) -> children.Outcome:
    """Call something in a child."""
    return children.call(function, arguments, threading.Event(), 60)


def test_an_error_of_ours_keeps_its_kind_and_its_texts() -> None:
    """And so its exit code, which is the child's too."""
    outcome = call("edge_app.sources.webcam:_path", "rear; left")
    assert isinstance(outcome.error, SourceError)
    assert outcome.error.what == "webcam:rear; left is neither a number nor a path"
    assert outcome.error.remedy == "'edge-app sources' lists the cameras"
    assert outcome.code == outcome.error.exit_code == 3


def test_an_import_that_fails_is_a_missing_package() -> None:
    """Whoever raised it."""
    outcome = call("importlib:import_module", "no_such_library")
    assert isinstance(outcome.error, DependencyMissing) and outcome.code == 78
    assert outcome.error.what == "No module named 'no_such_library'" and outcome.error.remedy


def test_an_error_of_a_library_is_told_in_its_words() -> None:
    """Its first line, without its type and traceback."""
    outcome = call("builtins:int", "seven")
    assert outcome.error is not None and outcome.code == 1
    assert outcome.error.what == "invalid literal for int() with base 10: 'seven'"


def test_a_child_that_succeeds_or_crashes_has_no_error() -> None:
    """The code says which."""
    assert call("builtins:str", "seven") == children.Outcome(0, None, "")
    crashed = call("signal:raise_signal_of_a_name")  # there is none
    assert crashed.code == 1 and crashed.error is not None
    assert call("os:abort").code == -6 and call("os:abort").error is None


def test_errors_reported_together_arrive_together(capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its texts, and what to try about all of them."""
    several = UsageError.together([UsageError("a", "b"), UsageError("c", "d")], "see e")
    children.tell(several)
    found = children.told(f"a library says hello\n{capsys.readouterr().err}and goodbye\n")
    assert isinstance(found, UsageError) and found.lines == several.lines
    assert [(one.what, one.remedy) for one in found.each] == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EdgeAppError)]
)
def test_every_kind_arrives(kind: type[EdgeAppError], capsys: pytest.CaptureFixture[str]) -> None:
    """Texts of several lines and of any letters included."""
    children.tell(kind("first\nsecond \udcff", "try: this"))
    found = children.told(capsys.readouterr().err)
    assert (type(found), found.what, found.remedy) == (kind, "first\nsecond \udcff", "try: this")


def test_a_program_that_reports_nothing_is_quoted() -> None:
    """Its last line; one that is silent is said to be."""
    assert children.told("one\ntwo\n\n").what == "two"
    assert children.told("").what == "it gave no reason"
    assert not isinstance(children.told("two"), ConfigError)


@pytest.mark.parametrize(
    "shape", ['{"KEY": "UsageErr', '{"KEY": "closest", "parts": []}', '{"KEY": "Nothing", "parts": 1}']
)
def test_a_report_that_is_none_is_quoted(shape: str) -> None:
    """A line that was cut off, or names something other than an error, is taken for words."""
    line = shape.replace("KEY", children._KEY)
    assert children.told(line).what == line
