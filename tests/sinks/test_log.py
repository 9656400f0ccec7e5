"""Results as JSON lines in a real file, on a real full disk, and over a power cut."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.errors import SinkError, StartError
from edge_app.records import Result, Verdict
from edge_app.sinks import log
from edge_app.sinks._base import Request
from tests.conftest import ROOT
from tests.results import OK, OUTAGE, UNKNOWN, result

SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text())
BYTES = 800  # room for two lines


def opened(path: Path, **changes: Any) -> log.Log:
    """Open a log."""
    return log.Log(Request(str(path), **changes))


def frames(*paths: Path) -> list[int]:
    """Return the frame of every line of some files; each line has to be whole."""
    assert all(path.read_bytes().endswith(b"\n") for path in paths)
    return [json.loads(line)["frame"] for path in paths for line in path.read_text().splitlines()]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to let a file grow beyond `size`, in the middle of a write if need be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@given(
    st.sampled_from([OK, UNKNOWN, OUTAGE]),
    st.text(),
    st.one_of(st.none(), st.text()),
    st.integers(-1, 2**40),
    st.floats(0, 1e9),
    st.floats(0, 4e9),
)
def test_every_line_is_valid(
    verdict: Verdict, source: str, name: str | None, frame: int, mono_s: float, unix_s: float
) -> None:
    """Whatever the result, its line is one line, UTF-8, and valid by the documented schema."""
    shown = result(verdict, source=source, name=name, frame=abs(frame), captured_s=mono_s, captured_unix_s=unix_s)
    line = log.encode(shown)
    assert line.count(b"\n") == 1
    found = json.loads(line.decode())
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    assert (found["source"], found.get("name"), found["frame"]) == (source, name, abs(frame))


@pytest.mark.parametrize(
    "wrong", [{"label": "cat"}, {"confidence": 2}, {"top": []}, {"time": "yesterday"}, {"extra": 1}, {"state": "off"}]
)
def test_the_schema_has_teeth(wrong: dict[str, Any]) -> None:
    """A line with a label in an unknown state, an impossible probability or an unknown field is not valid."""
    line = json.loads(log.encode(result(UNKNOWN)))
    jsonschema.validate(line, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(line | wrong, SCHEMA)


def test_the_documentation_names_every_field() -> None:
    """docs/results.md has a row for every field of the schema, and no other."""
    rows = [line.split("`")[1] for line in (ROOT / "docs" / "results.md").read_text().splitlines() if line[:3] == "| `"]
    assert rows == list(SCHEMA["properties"]) or set(rows) == set(SCHEMA["properties"])


def test_a_label_in_any_script_and_a_name_in_no_encoding(tmp_path: Path) -> None:
    """Unicode labels are written as they are; a file name that is not UTF-8 neither breaks nor loses its line."""
    sink = opened(tmp_path / "log")
    sink.emit(result(Verdict("ok", "猫 \u2028 ñ", 1.0, (("猫", 1.0),)), name=os.fsdecode(b"a\xff.jpg")), None)
    sink.close()
    line = (tmp_path / "log").read_bytes().decode()
    assert "猫 \u2028 ñ" in line
    assert os.fsencode(json.loads(line)["name"]) == b"a\xff.jpg"


def test_one_line_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line goes to the system in a single write, so that readers and power cuts see whole lines."""
    written: list[bytes] = []
    write = os.write
    monkeypatch.setattr(os, "write", lambda to, data: written.append(bytes(data)) or write(to, data))
    sink = opened(tmp_path / "log")
    for number in range(3):
        sink.emit(result(frame=number), None)
    assert [json.loads(line)["frame"] for line in written] == [0, 1, 2]
    assert (tmp_path / "log").read_bytes() == b"".join(written)


def emitted(folder: Path, results: list[Result], **changes: Any) -> list[int]:
    """Return which of some results, by frame, are written."""
    sink = opened(folder / "log", **changes)
    for each in results:
        sink.emit(each, None)
    sink.close()
    return frames(folder / "log")


SCENE = [OK, OK, UNKNOWN, UNKNOWN, OUTAGE, OUTAGE, OK, OK, OK, OK, OK, OK]
SECONDS = [result(verdict, frame=n, done_s=100.0 + n) for n, verdict in enumerate(SCENE)]


@pytest.mark.parametrize(
    ("when", "period_s", "expected"),
    [
        ("every", 60, list(range(12))),
        ("change", 60, [0, 2, 4, 6]),
        ("change", 3, [0, 2, 4, 6, 9]),
        ("periodic", 60, [0]),
        ("periodic", 4, [0, 4, 8]),
    ],
)
def test_which_results_are_written(when: str, period_s: float, expected: list[int], tmp_path: Path) -> None:
    """Every one; each change of state or label and a heartbeat; or one a period."""
    assert emitted(tmp_path, SECONDS, when=when, period_s=period_s) == expected


def test_a_change_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """With `change`, a disk that was full for a moment does not hide the change until the next heartbeat."""
    sink = opened(tmp_path / "log", when="change")
    with largest_file(10), pytest.raises(SinkError):
        sink.emit(SECONDS[0], None)
    sink.emit(SECONDS[1], None)
    assert frames(tmp_path / "log") == [1]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 4), st.integers(1, 40))
def test_rotation_keeps_the_newest_lines_whole(max_bytes: int, keep: int, count: int) -> None:
    """At any size and number of files kept, the files together hold the newest lines, in order, none of them split."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        sink = opened(path, max_bytes=max_bytes, keep=keep)
        for number in range(count):
            sink.emit(result(frame=number), None)
        sink.close()
        files = sorted(Path(folder).iterdir(), reverse=True)  # log.2, log.1, log
        assert len(files) <= keep + 1
        kept = frames(*files)
        assert kept == list(range(count - len(kept), count))
        assert len(files) == keep + 1 or len(kept) == count
        assert all(file.stat().st_size <= max_bytes or len(frames(file)) == 1 for file in files)


def test_a_folder_that_forbids_rotation_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the files cannot be renamed the log grows on, and that is said once."""
    (tmp_path / "log.1").mkdir()
    (tmp_path / "log.1" / "something").touch()
    sink = opened(tmp_path / "log", max_bytes=BYTES, keep=1)
    for number in range(9):
        sink.emit(result(frame=number), None)
    assert frames(tmp_path / "log") == list(range(9))
    assert len([r for r in caplog.records if "cannot be rotated" in r.message]) == 1


@given(st.binary(max_size=300).filter(lambda data: b"\n" not in data), st.integers(0, 3))
def test_a_tail_that_is_not_ours_is_kept(tail: bytes, lines: int) -> None:
    """A file of another kind, named by mistake, loses nothing but the beginning of a line of ours."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        before = b"a line\n" * lines + tail
        path.write_bytes(before)
        sink = opened(path)
        sink.emit(result(frame=5), None)
        *_, last = path.read_bytes().splitlines(keepends=True)
        assert json.loads(last)["frame"] == 5
        begun, ours = tail.rstrip(b"\0"), b'{"time":"'
        is_torn = tail == b"" or (begun != b"" and (ours.startswith(begun) or begun.startswith(ours)))
        rest = path.read_bytes().removesuffix(last)
        assert rest == (before.removesuffix(tail) if is_torn else before + b"\n")


@pytest.mark.parametrize("length", [1, 8, 60, 200])
@pytest.mark.parametrize("zeros", [0, 5000])
def test_a_torn_line_is_cut_off(length: int, zeros: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What a power cut left of a line, with or without zeros after it, is cut off and said; whole lines stay."""
    path = tmp_path / "log"
    line = log.encode(result(frame=1))
    path.write_bytes(line + line[:length] + b"\0" * zeros)
    sink = opened(path)
    sink.emit(result(frame=2), None)
    assert frames(path) == [1, 2]
    assert f"ended in half a line ({length + zeros} bytes" in caplog.text


@pytest.mark.parametrize("room", [1, 100, 250])
def test_a_line_that_fits_only_in_part_is_taken_back(room: int, tmp_path: Path) -> None:
    """When the disk fills in the middle of a line, nothing of it stays, and the log goes on when there is room."""
    path = tmp_path / "log"
    sink = opened(path)
    sink.emit(result(frame=0), None)
    with largest_file(path.stat().st_size + room), pytest.raises(SinkError, match=r"log: File too large"):
        sink.emit(result(frame=1), None)
    assert frames(path) == [0]
    sink.emit(result(frame=2), None)
    assert frames(path) == [0, 2]


def test_a_full_disk_is_said_and_named() -> None:
    """The system's "no space left" is a SinkError that names the file."""
    sink = opened(Path("/dev/full"))
    with pytest.raises(SinkError, match="^cannot write /dev/full: No space left on device$"):
        sink.emit(result(), None)
    sink.close()


@pytest.mark.parametrize("name", ["nowhere/log", "."])
def test_a_log_that_cannot_be_opened_is_named(name: str, tmp_path: Path) -> None:
    """A missing folder and a folder in place of a file are errors at the start, with what to try."""
    with pytest.raises(StartError, match=r"cannot write the log .*; choose another file with --log"):
        opened(tmp_path / name)


def test_a_log_is_continued(tmp_path: Path) -> None:
    """A second run appends to the first one's lines."""
    for number in range(3):
        sink = opened(tmp_path / "log")
        sink.emit(result(frame=number), None)
        sink.close()
    assert frames(tmp_path / "log") == [0, 1, 2]
