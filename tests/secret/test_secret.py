"""The type of texts that may hold a password: nothing but `reveal` gives one away."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import threading
import traceback
from typing import Any

import pytest

import edge_app
from edge_app import library, secret, sources
from edge_app.errors import SourceError, UsageError
from edge_app.secret import Secret
from edge_app.service import journal
from edge_app.settings.sections import CameraOptions, Settings
from edge_app.sinks import Destination
from edge_app.sources import Request
from edge_app.system import children
from edge_app.system.terminal import Harmless

ADDRESS = "rtsp://eve:hunter2@cam/x"
SHOWN = "rtsp://eve:***@cam/x"


def forms(value: object) -> list[str]:
    """Return every text that is made of a value without asking for its secret."""
    return [
        *(
            str(value),
            repr(value),
            f"{value}",
            f"{value!r}",
            f"{value:>30}",
            f"{value!a}",
            f"{value} {value!r}",
        ),
        *(json.dumps({"a": [value]}, default=str), str([value]), str({value: value}), ascii(value)),
        *(repr(pickle.dumps(value)), str(ValueError(value)), repr(ValueError(value))),
    ]


def test_every_way_to_print_it_is_masked() -> None:
    """str, repr, format, JSON, pickle and an exception show the address without its password."""
    for form in forms(Secret(ADDRESS)):
        assert "hunter2" not in form
        assert SHOWN in form
    assert Secret(ADDRESS).reveal() == ADDRESS
    with pytest.raises(TypeError):
        json.dumps(Secret(ADDRESS))


def test_what_contains_it_is_masked() -> None:
    """Settings, requests and destinations are printed, dumped and turned into tables without the password."""
    settings = Settings(source=ADDRESS, sink=[f"log:{ADDRESS}"])  # type: ignore[arg-type]  # pydantic converts
    assert settings.source.reveal() == ADDRESS
    dumped: dict[str, Any] = {"include": {"source", "sink"}}
    for holder in (settings, Request(settings, settings.source), Destination(settings.sink[0], settings)):
        assert SHOWN in str(holder)
        assert "hunter2" not in f"{holder} {holder!r} {vars(settings)} {settings.model_dump(**dumped)}"
        assert "hunter2" not in settings.model_dump_json(**dumped)


def test_it_survives_copies_and_cannot_change() -> None:
    """Copies of settings keep the address; nobody can put another into it."""
    settings = Settings(source=ADDRESS)  # type: ignore[arg-type]
    for copied in (copy.copy(settings), copy.deepcopy(settings), settings.model_copy(deep=True)):
        assert copied.source.reveal() == ADDRESS
    with pytest.raises(AttributeError):
        settings.source._text = "x"
    assert Secret(ADDRESS) == Secret(ADDRESS) != ADDRESS
    assert len({Secret(ADDRESS), Secret(ADDRESS)}) == 1
    assert not Secret("")


@pytest.mark.parametrize("wrong", [[ADDRESS], {"url": ADDRESS}, {ADDRESS: 1}, (ADDRESS,)])
def test_a_wrong_type_is_refused_without_quoting_it(wrong: object) -> None:
    """pydantic's error, ours, and a traceback through both show no password."""
    with pytest.raises(UsageError) as refused:
        edge_app.watch(wrong)  # type: ignore[arg-type]
    trace = "".join(traceback.format_exception(refused.value))
    assert "hunter2" not in trace
    assert "should be a valid string" in trace
    with pytest.raises(ValueError, match="valid string") as own:
        CameraOptions(source=wrong)  # type: ignore[arg-type]
    assert "hunter2" not in str(own.value)


def test_an_error_repeats_no_known_secret() -> None:
    """What a server or a library says goes through the errors of the package, which take known passwords out."""
    Secret(ADDRESS)
    error = SourceError("cam: the server refuses: no user eve:hunter2", "not hunter2")
    assert (error.what, error.remedy) == ("cam: the server refuses: no user eve:***", "not ***")
    together = SourceError.together([error], "hunter2?")
    assert "hunter2" not in repr((together, together.what, together.remedy, together.each, together.lines))
    assert "hunter2" not in str(children._rebuilt({"edge_app_error": "SourceError", "parts": [{"what": "hunter2"}]}))


def test_stdout_and_the_log_show_no_known_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a command prints or a module logs, its traceback included, has gone through one place."""
    import sys

    Secret(ADDRESS)
    print("model hunter2", file=Harmless(sys.stdout))
    assert capsys.readouterr().out == "model ***\n"
    try:
        raise ValueError("port 'hunter2@cam'")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "x.py", 1, "%s %r", ("hunter2", ADDRESS), (ValueError, error, None)
        )
    for formatter in (journal.OneLine("edge-app: "), journal.ForJournal()):
        shown = formatter.format(record)
        assert "hunter2" not in shown
        assert SHOWN in shown and "ValueError: port '***@cam'" in shown


def test_an_exception_and_its_causes_are_scrubbed() -> None:
    """An unforeseen exception keeps its text but for the password; a cause that cannot be changed is cut off."""

    class Stubborn(Exception):
        def __str__(self) -> str:
            return "hunter2"

    Secret(ADDRESS)
    for inner in (ValueError("bad port: 'hunter2'"), Stubborn()):
        try:
            try:
                raise inner
            except Exception as cause:
                raise KeyError(f"{ADDRESS} again") from cause
        except KeyError as error:
            secret.scrub_error(error)
            trace = "".join(traceback.format_exception(error))
        assert SHOWN in trace
        assert "hunter2" not in trace.replace('return "hunter2"', "").replace("'hunter2'\")", "")


def test_a_capture_thread_that_dies_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback that Python prints of a thread, and the thread's name, show no password."""
    died: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", died.append)

    class Broken(sources.Camera):
        def open(self) -> str:
            raise ZeroDivisionError(f"{ADDRESS}: 1/0")

        def read(self) -> None:
            """Never called."""

        def close(self) -> None:
            """Do nothing."""

    with pytest.raises(edge_app.errors.EdgeAppError) as told:
        sources.LiveSource(Broken(), Request(argument=Secret(ADDRESS)))
    said = [str(told.value), *(repr((ended.exc_value, ended.thread)) for ended in died)]
    assert "hunter2" not in str(said)


def test_the_oldest_secret_is_forgotten_at_last() -> None:
    """A script that opens cameras for ever does not grow."""
    for number in range(400):
        Secret(f"rtsp://eve:pass{number}word@cam/x")
    assert len(secret._known._patterns) == secret._known._MOST
    assert secret.scrubbed("pass399word pass0word") == "*** pass0word"


def test_library_settings_are_masked() -> None:
    """A model, a setting or a name in the wrong place is refused without its password."""
    for call in (
        lambda: edge_app.Classifier(ADDRESS),
        lambda: edge_app.watch("synthetic", labels=ADDRESS),
        lambda: edge_app.watch("synthetic", **{ADDRESS: 1}),
        lambda: edge_app.watch("synthetic", model=ADDRESS),
        lambda: edge_app.watch(f"thermal:{ADDRESS}"),
        lambda: edge_app.classify(ADDRESS),
    ):
        with pytest.raises(edge_app.errors.EdgeAppError) as refused:
            call()
        assert "hunter2" not in "".join(traceback.format_exception(refused.value)).replace("lambda: ", "")
    assert library.DEFAULT_MODEL
