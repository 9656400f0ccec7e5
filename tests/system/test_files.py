"""A file is replaced as a whole or not at all, whatever happens on the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from edge_app.system import files
from tests.full_disk import largest_file

# Ends the process, or interrupts it, before the n-th call of a C function (and so of the system) while a file is
# replaced; says after each what is in the file and what lies beside it, until there was no n-th call.
STEPS = """
import os, signal, sys
from pathlib import Path
from edge_app.system import files

def attempt(path, step, blow):
    left = step
    def profile(frame, event, argument):
        nonlocal left
        if event == "c_call":
            left -= 1
            if not left:
                sys.setprofile(None)
                blow()
    sys.setprofile(profile)
    try:
        files.write(path, b"new" * 5000)
    except KeyboardInterrupt:
        pass
    sys.setprofile(None)
    os._exit(0 if left > 0 else 1)

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def interrupt():
    raise KeyboardInterrupt

path, blow = Path(sys.argv[1]), {"kill": kill, "interrupt": interrupt}[sys.argv[2]]
step, status = 0, 1
while status:
    step += 1
    path.write_bytes(b"old")
    child = os.fork()
    if not child:
        attempt(path, step, blow)
    status = os.waitpid(child, 0)[1]
    found = {b"old": "old", b"new" * 5000: "new"}.get(path.read_bytes(), "half")
    print(found, len(list(path.parent.iterdir())) - 1)
"""


def outcomes(path: Path, blow: str) -> list[list[str]]:
    """Return what was found after each step: content, and the number of files beside it."""
    command = [sys.executable, "-c", STEPS, str(path), blow]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [line.split() for line in done.stdout.splitlines()]


def test_killed_at_any_step_the_file_is_old_or_new(tmp_path: Path) -> None:
    """Before the rename it is the old one, from then on the new one; never half, and never missing."""
    found = [content for content, _ in outcomes(tmp_path / "file", "kill")]
    assert len(found) > 20 and set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True), "old up to the rename, new from then on"


def test_interrupted_at_any_step_nothing_is_left_beside(tmp_path: Path) -> None:
    """Ctrl-C leaves the old file or the new one, alone."""
    found = outcomes(tmp_path / "file", "interrupt")
    assert len(found) > 20 and {content for content, _ in found} == {"old", "new"}
    assert {beside for _, beside in found} == {"0"}


def test_the_leftover_of_a_killed_process_is_in_nobodys_way(tmp_path: Path) -> None:
    """Whatever earlier crashes have left in the folder, the next write succeeds."""
    outcomes(tmp_path / "file", "kill")
    left = set(tmp_path.iterdir()) - {tmp_path / "file"}
    assert left and all(path.name.startswith(".edge-app-") for path in left)
    files.write(tmp_path / "file", "last")
    assert (tmp_path / "file").read_text() == "last" and set(tmp_path.iterdir()) == left | {tmp_path / "file"}


@pytest.mark.parametrize("room", [0, 1, 4096, 10_000])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, room: int) -> None:
    """Wherever the room ends, the old content stays, nothing lies beside it, and the error names the file."""
    path = tmp_path / "file"
    path.write_text("old")
    with largest_file(room), pytest.raises(OSError) as caught:
        files.write(path, b"n" * 20_000)
    assert caught.value.filename == str(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_of_several_files_none_is_replaced_before_all_are_written(tmp_path: Path) -> None:
    """The second does not fit, though it would have fitted the buffer: the first stays too."""
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("old")
    with largest_file(100), pytest.raises(OSError) as caught, files.replacing(*paths) as opened:
        for file, size in zip(opened, (10, 1000, 10), strict=True):
            file.write(b"n" * size)
    assert caught.value.filename == str(paths[1])
    assert {path.read_text() for path in paths} == {"old"} and sorted(tmp_path.iterdir()) == paths


def test_files_take_their_places_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last path named is replaced last, after everything is on the disk, and the folder is synced at the end."""
    calls = []
    rename, sync = Path.replace, os.fsync
    monkeypatch.setattr(Path, "replace", lambda new, old: (calls.append(old.name), rename(new, old))[1])
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append(kind(number)), sync(number))[1])
    with files.replacing(tmp_path / "model", tmp_path / "card") as (model, card):
        card.write(b"card")
        model.write(b"model")
    assert calls == ["file", "file", "model", "card", "folder"]


def kind(descriptor: int) -> str:
    """Say what a descriptor is of."""
    return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"


def test_a_failing_block_leaves_what_was_there(tmp_path: Path) -> None:
    """An error of the caller's own passes through unchanged."""
    (tmp_path / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(tmp_path / "file", tmp_path / "fresh") as (file, _):
        file.write(b"half")
        raise ZeroDivisionError
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
def test_a_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    """What was readable by few stays so, at every moment; what could be run still can."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    with files.replacing(path) as (file,):
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode, "before anything is written"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_is_as_readable_as_any_other(tmp_path: Path, mask: int) -> None:
    """The umask decides, and is not touched: another thread may be making files."""
    before = os.umask(mask)
    try:
        files.write(tmp_path / "new", "x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user; run as root")
def test_a_file_keeps_its_owner(tmp_path: Path) -> None:
    """What root replaces for a user stays the user's."""
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 1234, 2345)
    files.write(tmp_path / "file", "new")
    found = (tmp_path / "file").stat()
    assert (found.st_uid, found.st_gid) == (1234, 2345)


def test_a_link_still_points_where_it_did(tmp_path: Path) -> None:
    """The file behind a chain of links is replaced, in its own folder; a link to nothing gets its file."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "real").write_text("old")
    (tmp_path / "one").symlink_to("data/real")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "dangling").symlink_to("data/later")
    files.write(tmp_path / "two", "new")
    files.write(tmp_path / "dangling", "first")
    assert {path.name: path.read_text() for path in (tmp_path / "data").iterdir()} == {"real": "new", "later": "first"}
    assert all((tmp_path / name).is_symlink() for name in ("one", "two", "dangling"))
    assert len(list(tmp_path.iterdir())) == 4


def test_links_in_a_circle_are_an_error(tmp_path: Path) -> None:
    """They are not replaced by a file."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        files.write(tmp_path / "a", "x")
    assert (tmp_path / "a").is_symlink()


def test_a_pipe_takes_the_content_and_stays(tmp_path: Path) -> None:
    """Whoever reads it gets all of it."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    files.write(pipe, b"x" * 100_000)
    reader.join()
    assert read == [b"x" * 100_000] and pipe.is_fifo() and list(tmp_path.iterdir()) == [pipe]


def test_a_device_stays_a_device() -> None:
    """/dev/null takes everything; /dev/full says why it takes nothing."""
    files.write(Path("/dev/null"), "x")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError) as caught:
        files.write(Path("/dev/full"), "x")
    assert caught.value.filename == "/dev/full"


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_stdout_in_a_file_is_appended_to(tmp_path: Path, name: str) -> None:
    """What the shell opened is not replaced by another file, and what was printed before stays."""
    code = f"from pathlib import Path; from edge_app.system import files; print('a', flush=True); \
files.check(Path('{name}')); files.write(Path('{name}'), 'b\\n'); print('c')"
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    assert (tmp_path / "out").read_text() == "a\nb\nc\n" and list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_folder_and_a_missing_folder_are_errors(tmp_path: Path) -> None:
    """Both are found by `check` too, before there is anything to write."""
    for act in (files.check, lambda path: files.write(path, "x")):
        with pytest.raises(IsADirectoryError):
            act(tmp_path)
        with pytest.raises(FileNotFoundError) as caught:
            act(tmp_path / "nowhere" / "file")
        assert caught.value.filename == str(tmp_path / "nowhere" / "file")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; run as an ordinary user")
def test_a_folder_that_may_not_be_written_to_is_an_error(tmp_path: Path) -> None:
    """The file in it stays, though it could be overwritten: half of it might be lost."""
    (tmp_path / "file").write_text("old")
    tmp_path.chmod(0o555)
    try:
        for act in (files.check, lambda path: files.write(path, "x")):
            with pytest.raises(PermissionError) as caught:
                act(tmp_path / "file")
            assert caught.value.filename == str(tmp_path / "file")
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder; run as an ordinary user")
def test_a_folder_that_may_not_be_listed_does(tmp_path: Path) -> None:
    """It cannot be opened to be synced, and the file is written all the same."""
    tmp_path.chmod(0o333)
    try:
        files.write(tmp_path / "file", "x")
    finally:
        tmp_path.chmod(0o755)
    assert (tmp_path / "file").read_text() == "x"


def test_check_changes_nothing(tmp_path: Path) -> None:
    """Not even a file that is there, and none is left that was not."""
    (tmp_path / "file").write_text("old")
    files.check(tmp_path / "file")
    files.check(tmp_path / "fresh")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_longest_name_a_disk_takes(tmp_path: Path) -> None:
    """255 bytes leave no room for a suffix, and none is needed."""
    path = tmp_path / ("x" * 255)
    files.write(path, "x")
    assert path.read_text() == "x"


def test_only_one_module_writes_files() -> None:
    """Nobody else in the package or the tools opens a file to write it, or syncs one but the log, which appends."""
    root = Path(__file__).parents[2]
    words = ("write_text(", "write_bytes(", '.open("w', '.open("x', "fsync")
    found = {
        str(path.relative_to(root))
        for folder in ("edge_app", "tools")
        for path in (root / folder).rglob("*.py")
        if any(word in path.read_text("utf-8") for word in words)
    }
    assert found == {"edge_app/system/files.py", "edge_app/sinks/log/_syncer.py"}


def test_only_small_files_are_read(tmp_path: Path) -> None:
    """Whole up to the limit; larger ones, folders, pipes, sockets and devices are errors that say what they are."""
    path = tmp_path / "small"
    path.write_bytes(b"x" * 100)
    assert files.read_small(path, 100) == b"x" * 100
    with pytest.raises(OSError, match="larger than 0 MiB"):
        files.read_small(path, 99)
    with pytest.raises(IsADirectoryError):
        files.read_small(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "/dev/zero"):
        with pytest.raises(OSError, match="a pipe, socket or device, not a file"):
            files.read_small(tmp_path / name)


def test_a_descriptor_of_this_process_is_read_whatever_it_is() -> None:
    """As by `--labels <(cut -f2 table)` in a shell."""
    reader, writer = os.pipe()
    os.write(writer, b"cat\ndog\n")
    os.close(writer)
    assert files.read_small(Path(f"/dev/fd/{reader}")) == b"cat\ndog\n"
    os.close(reader)
