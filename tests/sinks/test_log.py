"""Results as JSON lines in a real file, on a real full disk, and over a power cut."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_app.errors import SinkError, StartError
from edge_app.metering import STAGES, TOTAL, Stages
from edge_app.records import Result, Verdict
from edge_app.sinks import Guard, log
from edge_app.sinks.log._syncer import Syncer
from edge_app.system.wording import counted
from tests.asking import destination_for
from tests.conftest import ROOT
from tests.full_disk import largest_file
from tests.results import OK, OUTAGE, UNKNOWN, result

SCHEMA = json.loads((ROOT / "docs" / "results.schema.json").read_text())
BYTES = 800  # room for two lines


def opened(path: Path, **changes: Any) -> log.Log:
    """Open a log."""
    return log.Log(destination_for(str(path), **changes))


def frames(*paths: Path) -> list[int]:
    """Return the frame of every line of some files; each line has to be whole."""
    assert all(path.read_bytes().endswith(b"\n") for path in paths)
    return [json.loads(line)["frame"] for path in paths for line in path.read_text().splitlines()]


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
    assert emitted(tmp_path, SECONDS, log_when=when, log_period=period_s) == expected


def test_a_change_that_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    """With `change`, a disk that was full for a moment does not hide the change until the next heartbeat."""
    sink = opened(tmp_path / "log", log_when="change")
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
        sink = opened(path, log_max_mb=max_bytes / 2**20, log_keep=keep)
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
    sink = opened(tmp_path / "log", log_max_mb=BYTES / 2**20, log_keep=1)
    for number in range(9):
        sink.emit(result(frame=number), None)
    assert frames(tmp_path / "log") == list(range(9))
    assert len([r for r in caplog.records if "cannot be rotated" in r.message]) == 1


@given(st.binary(max_size=300).filter(lambda data: b"\n" not in data), st.integers(0, 3))
def test_a_tail_that_is_not_ours_is_kept(tail: bytes, lines: int) -> None:
    """A file of another kind, named by mistake, loses nothing except the partial line that a log began."""
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
    """A partial line left by a power cut, with or without zeros after it, is cut off and reported; whole lines stay."""
    path = tmp_path / "log"
    line = log.encode(result(frame=1))
    path.write_bytes(line + line[:length] + b"\0" * zeros)
    sink = opened(path)
    sink.emit(result(frame=2), None)
    assert frames(path) == [1, 2]
    assert f"ended in half a line ({counted(length + zeros, 'byte')}, lost power?)" in caplog.text


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


def test_a_line_that_cannot_be_taken_back_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the partial line cannot be cut off, nothing is appended to it; the next opening cuts it off."""
    path = tmp_path / "log"
    sink = opened(path)
    sink.emit(result(frame=0), None)

    def refuse(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    with largest_file(path.stat().st_size + 50), monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(SinkError, match="File too large"):
            sink.emit(result(frame=1), None)
    sink.emit(result(frame=2), None)
    assert [(line["frame"], line.get("gap", {}).get("torn_bytes")) for line in lines_of(path)] == [(0, None), (2, 50)]


def test_a_full_disk_is_said_and_named() -> None:
    """The system's "no space left" is a SinkError that names the file."""
    sink = opened(Path("/dev/full"))
    with pytest.raises(SinkError, match="^cannot write /dev/full: No space left on device; make room"):
        sink.emit(result(), None)
    with pytest.raises(SinkError, match="^1 result could not be written to /dev/full: No space left on device"):
        sink.close()
    sink.close()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read a log whose every line is whole and valid."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    for line in found:
        jsonschema.validate(line, SCHEMA)
    return found


def test_a_gap_is_told_in_the_line_after_it(tmp_path: Path) -> None:
    """The first line after a full disk says how many are missing and for how long; the next says nothing."""
    path = tmp_path / "log"
    sink = opened(path)
    sink.emit(result(frame=0, done_s=100.0), None)
    with largest_file(path.stat().st_size + 10):
        for number in range(1, 6):
            with pytest.raises(SinkError):
                sink.emit(result(frame=number, done_s=100.0 + number), None)
    for number in (6, 7):
        sink.emit(result(frame=number, done_s=100.0 + number), None)
    assert [(line["frame"], line.get("gap")) for line in lines_of(path)] == [
        (0, None),
        (6, {"lines": 5, "seconds": 5.0}),
        (7, None),
    ]


@pytest.mark.parametrize(("when", "lost"), [("every", 91), ("change", 3), ("periodic", 2)])
def test_a_gap_counts_the_lines_that_are_missing(when: str, lost: int, tmp_path: Path) -> None:
    """Attempts are not lines: what a disk with room would hold is counted, and told with the first result after it.

    With `change` those are the unknown of second 40, the label of 50 and the heartbeat of 110; with `periodic` those
    of 60 and 120.
    """
    path = tmp_path / "log"
    sink = opened(path, log_when=when, log_period=60.0)
    sink.emit(result(frame=0, done_s=0.0), None)
    with largest_file(path.stat().st_size + 10):
        for second in range(31, 122):
            shown = UNKNOWN if 40 <= second < 50 else OK
            if sink._chosen.wants(result(shown, done_s=float(second))):
                with pytest.raises(SinkError):
                    sink.emit(result(shown, frame=second, done_s=float(second)), None)
    sink.emit(result(frame=122, done_s=122.0), None)
    assert [(line["frame"], line.get("gap", {}).get("lines")) for line in lines_of(path)] == [(0, None), (122, lost)]


@settings(max_examples=50, deadline=None)
@given(st.text(), st.integers(0, 3), st.floats(0, 1, exclude_max=True), st.integers(0, 5000))
def test_wherever_a_line_is_torn(source: str, lines: int, share: float, zeros: int) -> None:
    """Whatever the line and wherever it ends, zeros or not: it is cut off and counted, and the lines before it stay."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        whole = b"".join(log.encode(result(frame=number)) for number in range(lines))
        line = log.encode(result(source=source))
        torn = line[: 1 + int(share * (len(line) - 2))] + b"\0" * zeros  # at least its last brace is missing
        path.write_bytes(whole + torn)
        sink = opened(path, log_sync=0)
        sink.emit(result(frame=lines), None)
        sink.close()
        assert path.read_bytes().startswith(whole) and frames(path) == list(range(lines + 1))
        assert lines_of(path)[-1]["gap"] == {"torn_bytes": len(torn)}


def test_a_torn_line_is_told_too(tmp_path: Path) -> None:
    """How much a power cut left of a line stands in the first line of the next run."""
    path = tmp_path / "log"
    path.write_bytes(log.encode(result(frame=1)) + b'{"time":"2026')
    sink = opened(path)
    sink.emit(result(frame=2), None)
    assert lines_of(path)[-1]["gap"] == {"torn_bytes": 13}


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system in memory; skip if not permitted."""
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mounting a disk takes root: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_real_disk_that_fills_and_gets_room(tmp_path: Path) -> None:
    """No line is torn when a disk of 16 KiB is full, and the log goes on, with a gap, once there is room."""
    with small_disk(tmp_path, "16k") as disk:
        (disk / "other").write_bytes(b"x" * 8000)
        sink, lost = opened(disk / "log"), 0
        for number in range(60):
            try:
                sink.emit(result(frame=number), None)
            except SinkError as error:
                assert "No space left on device" in str(error)
                lost += 1
        assert lost > 10
        (disk / "other").unlink()
        sink.emit(result(frame=60), None)
        sink.close()
        assert lines_of(disk / "log")[-1]["gap"]["lines"] == lost
        assert frames(disk / "log") == [*range(60 - lost), 60]


def test_a_disk_that_turns_read_only_and_back(tmp_path: Path) -> None:
    """As after an error of an SD card: lost lines are counted, and the file is opened anew when it may be written."""
    with small_disk(tmp_path, "1m") as disk:
        sink = opened(disk / "log", log_sync=0)
        sink.emit(result(frame=0), None)
        sink._let_go()  # the kernel remounts nothing read-only that is open for writing; an error does
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for number in (1, 2):
            with pytest.raises(SinkError, match="Read-only file system"):
                sink.emit(result(frame=number), None)
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        sink.emit(result(frame=3), None)
        sink.close()
        assert [(line["frame"], line.get("gap", {}).get("lines")) for line in lines_of(disk / "log")] == [
            (0, None),
            (3, 2),
        ]


@contextmanager
def sd_card(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Mount an ext4 file system that an error turns read-only, as on a Pi; yield its folder and its image."""
    disk, image = folder / "card", folder / "card.img"
    disk.mkdir()
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 missing; sudo apt install e2fsprogs")
    with image.open("wb") as file:
        file.truncate(8 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting an image takes root and a loop device: {mounted.stderr.decode().strip()}")
    try:
        yield disk, image
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_real_disk_that_errs_and_is_mended(tmp_path: Path) -> None:
    """An ext4 error under an open file, just when it is to be rotated: once mended, the log goes on and rotates on."""
    with sd_card(tmp_path) as (disk, image):
        sink = opened(disk / "log", log_max_mb=(2 * len(log.encode(result())) + 50) / 2**20, log_sync=0)
        for number in (0, 1):
            sink.emit(result(frame=number), None)
        os.fsync(sink._file.descriptor)
        device = disk.stat().st_dev
        name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("a test")
        for number in (2, 3):
            with pytest.raises(SinkError, match="Read-only file system"):
                sink.emit(result(frame=number), None)
        subprocess.run(["umount", disk], check=True)  # which an open descriptor would forbid
        assert subprocess.run(["e2fsck", "-p", image], capture_output=True, check=False).returncode <= 1  # mended
        subprocess.run(["mount", "-o", "loop", image, disk], check=True)
        sink.emit(result(frame=4), None)
        sink.close()
        assert (frames(disk / "log.1"), frames(disk / "log")) == ([0, 1], [4])
        assert lines_of(disk / "log")[0]["gap"]["lines"] == 2


def test_the_end_tells_of_a_disk_that_did_not_keep_the_last_lines(tmp_path: Path) -> None:
    """A last fsync that fails counts as one failure of the sink, and the file is closed all the same."""

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    sink = opened(tmp_path / "log")
    sink._syncer = Syncer(3600.0, fail)
    guard = Guard(sink)
    guard.emit(result(), None)
    guard.close()
    guard.close()
    assert (guard.failures, sink._file.descriptor) == (1, -1)


def test_a_descriptor_that_went_bad_is_replaced(tmp_path: Path) -> None:
    """When the system says that a descriptor is no good any more, the next line opens the file again."""
    sink = opened(tmp_path / "log")
    os.close(sink._file.descriptor)
    with pytest.raises(SinkError, match="Bad file descriptor"):
        sink.emit(result(frame=0), None)
    sink.emit(result(frame=1), None)
    sink.close()
    assert [(line["frame"], line["gap"]["lines"]) for line in lines_of(tmp_path / "log")] == [(1, 1)]


def test_a_clock_that_is_set_is_told_once(tmp_path: Path) -> None:
    """After the clock jumps a year, the next line says by how much; slewing is not reported; all lines are written."""
    year_s = 365 * 86400.0
    sink = opened(tmp_path / "log", log_when="change", log_period=1.0)
    for second in range(30):
        jumped_s = -year_s if 10 <= second < 20 else 0.0
        slewed_s = second * 0.0005
        mono_s = 1000.0 + second
        wall_s = 1.8e9 + second + slewed_s + jumped_s
        sink.emit(result(frame=second, captured_s=mono_s, captured_unix_s=wall_s, done_s=mono_s), None)
    told = {line["frame"]: line["clock_jump_s"] for line in lines_of(tmp_path / "log") if "clock_jump_s" in line}
    assert told == {10: pytest.approx(-year_s, abs=0.01), 20: pytest.approx(year_s, abs=0.01)}
    assert len(lines_of(tmp_path / "log")) == 30


@pytest.mark.parametrize("when", ["every", "change", "periodic"])
def test_what_is_left_out_is_summed_up(when: Any, tmp_path: Path) -> None:
    """The next line says how many pictures there were since the last one, and how late; outages do not count."""
    sink = opened(tmp_path / "log", log_when=when, log_period=10.0)
    for second in range(21):
        shown = OUTAGE if 12 <= second < 15 else OK
        sink.emit(result(shown, frame=second, captured_s=500.0 + second, done_s=500.001 + second * 1.001), None)
    sink.close()
    lines = lines_of(tmp_path / "log")
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)
    told = [(line["frame"], line["since_last"]["classified"]) for line in lines if "since_last" in line]
    expected = {"every": [], "change": [(0, 1), (10, 10), (12, 1), (15, 1)], "periodic": [(0, 1), (10, 10), (20, 7)]}
    assert told == expected[when]
    if when == "periodic":
        figures = lines[-1]["since_last"]
        assert figures["latency_p50_ms"] == pytest.approx(1 + 17, abs=0.5)
        assert figures["latency_p100_ms"] == pytest.approx(1 + 20, abs=0.01)


@pytest.mark.parametrize("when", ["every", "change", "periodic"])
def test_the_heartbeat_tells_where_the_time_goes(when: Any, tmp_path: Path) -> None:
    """Where not every result is written, percentiles of each stage of the last minute come once a period."""
    now_s = 500.0
    stages = Stages(clock=lambda: now_s)
    sink = opened(tmp_path / "log", log_when=when, log_period=10.0, stages=stages)
    for second in range(35):
        now_s += 1
        stages.begin(now_s)
        stages.lap("decode")
        now_s += 0.002
        stages.lap("invoke")
        stages.end()
        sink.emit(result(OK if second % 4 else UNKNOWN, frame=second, captured_s=now_s, done_s=now_s), None)
    sink.close()
    lines = lines_of(tmp_path / "log")
    for line in lines:
        jsonschema.Draft202012Validator(SCHEMA).validate(line)
    told = [line for line in lines if "last_minute" in line]
    assert len(told) == {"every": 0, "change": 2, "periodic": 3}[when]  # a change comes every second or third second
    for line in told:
        assert list(line["last_minute"]) == [*STAGES, TOTAL]
        assert line["last_minute"]["invoke"] == line["last_minute"][TOTAL] == [2, 2, 2, 2]


def test_an_old_file_is_rotated(tmp_path: Path) -> None:
    """Counted from the first line this run wrote: after `max_age_s` the next line begins a new file."""
    sink = opened(tmp_path / "log", log_max_days=10 / 86400)
    for second in range(25):
        sink.emit(result(frame=second, done_s=500.0 + second, captured_unix_s=0.0), None)
    assert [frames(tmp_path / f"log{end}") for end in (".2", ".1", "")] == [
        list(range(11)),
        list(range(11, 22)),
        list(range(22, 25)),
    ]


KILLED = """
import itertools, os, signal, sys
from edge_app.sinks import log
from tests.asking import destination_for
from tests.results import result

written = 0
for turn in range(50):
    reader, writer = os.pipe()
    child = os.fork()  # of a process without threads
    if child == 0:
        sink = log.Log(destination_for(sys.argv[1], log_max_mb=0.02, log_keep=1000, log_sync=0))
        for number in itertools.count(written):
            sink.emit(result(frame=number), None)
            os.write(writer, number.to_bytes(4, "little"))
    os.close(writer)
    for _ in range(1 + turn % 7):
        told = os.read(reader, 4)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while data := os.read(reader, 4):
        told = data
    os.close(reader)
    written = int.from_bytes(told, "little") + 1
    print(written)
    written += 1  # the line that was perhaps on its way
"""


def test_killed_fifty_times_no_line_is_lost_or_torn(tmp_path: Path) -> None:
    """SIGKILL while writing: each line whose writing returned is there, whole, and the next start appends."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "log"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ends = [int(line) for line in done.stdout.split()]
    files = sorted(tmp_path.iterdir(), key=lambda file: int(file.suffix[1:] or 0) if file.suffix else 0, reverse=True)
    found = frames(*files)
    assert len(ends) == 50 and len(files) > 1
    assert found == sorted(set(found))
    missing = set(range(ends[-1])) - set(found)
    assert missing <= set(ends), "a line that had been written is gone"


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


def test_a_whole_line_that_lacks_only_its_newline_is_kept(tmp_path: Path) -> None:
    """Ours, with or without zeros after it, or another program's: whole lines stay, and the next one begins its own."""
    foreign = b'{"time":"2026-01-01T00:00:00Z","value":42}'
    half_of_another = b'{"time":"2026-01-01T00:00:00Z","val'
    ours = log.encode(result(frame=1)).removesuffix(b"\n")
    for before, kept in [
        (foreign, foreign),
        (ours, ours),
        (ours + b"\0" * 9, ours),
        (half_of_another, half_of_another),
    ]:
        path = tmp_path / "log"
        path.write_bytes(before)
        sink = opened(path)
        sink.emit(result(frame=2), None)
        sink.close()
        first, second = path.read_bytes().splitlines()
        assert first == kept
        assert "gap" not in json.loads(second)


TAKING = {
    "removed": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "replaced": lambda path: (path.rename(path.with_name("elsewhere")), path.touch()),
    "folder": lambda path: path.parent.rename(path.parent.with_name("away")) and path.parent.mkdir(),
}


@pytest.mark.parametrize("how", list(TAKING))
def test_a_file_that_another_program_takes_is_opened_anew(how: str, tmp_path: Path) -> None:
    """Within a second of the next line the log is in a file of its name again, and tells what happened."""
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    sink = opened(path, log_sync=0)
    for tenth in range(15):  # two looks, and lines after the second
        sink.emit(result(frame=tenth, done_s=100 + tenth / 10), None)
    TAKING[how](path)
    for tenth in range(15, 40):
        sink.emit(result(frame=tenth, done_s=100 + tenth / 10), None)
    sink.close()
    lines = lines_of(path)
    assert [line["frame"] for line in lines] == list(range(20, 40))
    gone = {"lines": 10, "seconds": 1.0, "file": "removed"} if how == "removed" else {"file": "moved"}
    assert lines[0]["gap"] == gone
    assert not any("gap" in line for line in lines[1:])
    assert (
        sorted(descriptor.name for descriptor in Path("/proc/self/fd").iterdir() if _leads_to(descriptor, "elsewhere"))
        == []
    )


def _leads_to(descriptor: Path, name: str) -> bool:
    try:
        return descriptor.readlink().name == name
    except FileNotFoundError:
        return False


def test_a_file_that_another_program_truncates_is_told(tmp_path: Path) -> None:
    """As logrotate's copytruncate does: the lines go on at the new beginning, and the next look tells of it."""
    path = tmp_path / "log"
    sink = opened(path, log_sync=0)
    for tenth in range(15):
        sink.emit(result(frame=tenth, done_s=100 + tenth / 10), None)
    os.truncate(path, 0)
    for tenth in range(15, 30):
        sink.emit(result(frame=tenth, done_s=100 + tenth / 10), None)
    sink.close()
    told = {line["frame"]: line["gap"]["file"] for line in lines_of(path) if "gap" in line}
    assert told == {20: "truncated"}
    assert [line["frame"] for line in lines_of(path)] == list(range(15, 30))


def test_slow_lines_lose_nothing(tmp_path: Path) -> None:
    """A log of a line a minute looks before each line: not one goes into a file that is gone."""
    path = tmp_path / "log"
    sink = opened(path, log_sync=0)
    for minute in range(4):
        path.unlink(missing_ok=True)
        sink.emit(result(frame=minute, done_s=60.0 * minute + 100), None)
        assert frames(path) == [minute]
    sink.close()


@pytest.mark.parametrize("leads_to", ["absolute", "relative", "chain", "dangling"])
def test_a_link_keeps_pointing_where_it_pointed(leads_to: str, tmp_path: Path) -> None:
    """Rotated files lie beside the file that the link leads to, and nothing but the link lies beside the link."""
    (tmp_path / "usb").mkdir()
    (tmp_path / "sd").mkdir()
    link, target = tmp_path / "sd" / "log", tmp_path / "usb" / "log"
    if leads_to == "chain":
        (tmp_path / "sd" / "middle").symlink_to(target)
    if leads_to != "dangling":
        target.touch()
    link.symlink_to({"relative": "../usb/log", "chain": "middle"}.get(leads_to, str(target)))
    sink = opened(link, log_max_mb=BYTES / 2**20, log_keep=2)
    for number in range(9):
        sink.emit(result(frame=number), None)
    sink.close()
    assert link.is_symlink() and link.resolve() == target
    assert [path for path in (tmp_path / "sd").iterdir() if not path.is_symlink()] == []
    assert sorted(path.name for path in (tmp_path / "usb").iterdir()) == ["log", "log.1", "log.2"]


def test_a_mounted_file_is_not_rotated_and_keeps_its_older_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in a container: the file cannot be renamed, so the log grows, and the rotated ones do not move up in vain."""
    other, path = tmp_path / "other", tmp_path / "log"
    other.touch()
    path.touch()
    for number in (1, 2):
        path.with_name(f"log.{number}").write_text(f"{number}\n")
    if subprocess.run(["mount", "--bind", other, path], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file takes root")
    try:
        for _ in range(3):
            sink = opened(path, log_max_mb=BYTES / 2**20, log_keep=2)
            for number in range(4):
                sink.emit(result(frame=number), None)
            sink.close()
        assert len(frames(path)) == 12
        assert [path.with_name(f"log.{number}").read_text() for number in (1, 2)] == ["1\n", "2\n"]
        assert len([r for r in caplog.records if "cannot be rotated" in r.message]) == 3
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def test_fewer_files_are_kept_when_fewer_are_asked_for(tmp_path: Path) -> None:
    """What an earlier run with a larger `log_keep` left goes at the next opening; another program's names stay."""
    names = ["log.1", "log.2", "log.3", "log.4", "log.2026", "log.backup"]
    for name in names:
        (tmp_path / name).touch()
    opened(tmp_path / "log", log_keep=2).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "log.1", "log.2", "log.2026", "log.backup"]


def test_a_service_waits_for_its_log(tmp_path: Path) -> None:
    """A log that cannot be opened at the start is tried again with each result; the gap counts from the first."""
    path = tmp_path / "away" / "log"
    sink = log.Log(destination_for(str(path), log_sync=0, keeps_trying=True))
    for second in range(3):
        with pytest.raises(SinkError, match="log: No such file or directory"):
            sink.emit(result(frame=second, done_s=100.0 + second), None)
    path.parent.mkdir()
    sink.emit(result(frame=3, done_s=103.0), None)
    sink.close()
    assert [(line["frame"], line["gap"]) for line in lines_of(path)] == [(3, {"lines": 3, "seconds": 3.0})]


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    """One line, also for a service: waiting would not help."""
    for keeps_trying in (False, True):
        with pytest.raises(StartError, match="is not the name of a file"):
            log.Log(destination_for(name, keeps_trying=keeps_trying))


def test_the_end_tells_what_was_lost(tmp_path: Path) -> None:
    """Lines lost just before the end: once there is room, the last of them is written with the gap before it."""
    path = tmp_path / "log"
    sink = opened(path, log_sync=0)
    with largest_file(10):
        for number in range(4):
            with pytest.raises(SinkError):
                sink.emit(result(frame=number, done_s=100.0 + number), None)
    sink.close()
    assert [(line["frame"], line["gap"]["lines"]) for line in lines_of(path)] == [(3, 3)]


def test_a_pipe_whose_reader_leaves_ends_a_run_but_not_a_service(tmp_path: Path) -> None:
    """Like "| head": a run has nothing left to do. A service waits for the next reader, and tells it of the gap."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for keeps_trying in (False, True):
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        wanted = destination_for(str(pipe), log_sync=0, keeps_trying=keeps_trying)
        sink = log.Log(wanted)
        sink.emit(result(frame=0), None)
        assert json.loads(os.read(reader, 65536))["frame"] == 0
        os.close(reader)
        if not keeps_trying:
            sink.emit(result(frame=1), None)
            assert wanted.stop.is_set()
            continue
        for number in (1, 2):
            with pytest.raises(SinkError):
                sink.emit(result(frame=number), None)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        sink.emit(result(frame=3), None)
        line = json.loads(os.read(reader, 65536))
        assert (line["frame"], line["gap"]["lines"]) == (3, 2)
        assert not wanted.stop.is_set()
        os.close(reader)
        sink.close()
