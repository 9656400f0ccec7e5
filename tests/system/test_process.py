"""Real signals to real processes, at every moment of their life."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_app import cli, commands, pipeline
from edge_app.system import process
from tests.conftest import DATA
from tests.results import command, environment
from tests.servers import HttpCamera

END_S = 1.0  # What is promised.
SLACK_S = 1.0  # What a busy machine may add.
RUN = ("run", "--preview", "none", "--log", "out.jsonl", "--source")


def catches(process: subprocess.Popen[bytes], number: signal.Signals) -> bool:
    """Say whether a process has a handler for a signal: SIGTERM has none before ours, SIGINT has Python's own."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start edge-app in `folder`, and kill it should it be there at the end."""
    with (
        (folder / "stderr").open("wb") as stderr,
        subprocess.Popen(
            command(*arguments), cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=stderr
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def wait_until(is_true: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Poll a condition."""
    deadline_s = time.monotonic() + limit_s
    while not is_true():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.005)


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, float]:
    """Send a signal; return exit code and the seconds until the end."""
    process.send_signal(number)
    sent_s = time.monotonic()
    return process.wait(END_S + SLACK_S), time.monotonic() - sent_s


def check_left_behind(folder: Path) -> int:
    """Check that every line of the log is whole and nothing was complained about; return the number of lines."""
    assert "Traceback" not in (folder / "stderr").read_text()
    text = (folder / "out.jsonl").read_text() if (folder / "out.jsonl").exists() else ""
    assert text == "" or text.endswith("\n")
    frames = [json.loads(line)["frame"] for line in text.splitlines()]
    assert frames == sorted(frames)
    return len(frames)


def has_come_to(process: subprocess.Popen[bytes], moment: str) -> bool:
    """Say whether a process has loaded a library or opened a file whose path contains `moment`."""
    opened = (link.readlink().as_posix() for link in Path(f"/proc/{process.pid}/fd").iterdir())
    with contextlib.suppress(FileNotFoundError):  # a descriptor that has been closed meanwhile
        return moment in Path(f"/proc/{process.pid}/maps").read_text() or any(moment in path for path in opened)
    return False


# The start of a run in the order of what it loads and opens; nothing at all is loaded when its handlers are in place.
MOMENTS = ("", "_pydantic_core", "_multiarray_umath", "/cv2", "ai_edge_litert", "out.jsonl")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_while_starting_ends_cleanly(number: signal.Signals, moment: str, tmp_path: Path) -> None:
    """From the moment edge-app has its handlers, through all imports and openings, a signal ends it with 0."""
    with started(tmp_path, *RUN, "synthetic") as process:
        wait_until(lambda: catches(process, signal.SIGTERM) and has_come_to(process, moment))
        code, _ = end(process, number)
    assert code == 0
    check_left_behind(tmp_path)


@pytest.mark.parametrize("is_python_ready", [False, True])
def test_a_signal_before_anything_of_ours_runs_is_the_systems(is_python_ready: bool, tmp_path: Path) -> None:
    """SIGTERM in the first instants, while Python itself starts, kills; or, once we have our handlers, ends with 0."""
    with started(tmp_path, *RUN, "synthetic") as process:
        wait_until(lambda: not is_python_ready or catches(process, signal.SIGINT))
        was_ours = catches(process, signal.SIGTERM)
        code, _ = end(process, signal.SIGTERM)
    assert code in ((0,) if was_ours else (0, -signal.SIGTERM))
    check_left_behind(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments",
    [("synthetic",), ("synthetic:free",), ("synthetic:jpeg", "--rate", "0.1"), ("synthetic", "--rate", "9")],
)
def test_a_signal_while_running_ends_cleanly(
    number: signal.Signals, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    """While frames flow, or the rate lets the camera rest, a signal ends the run with 0 and the log whole."""
    with started(tmp_path, *RUN, *arguments) as process:
        wait_until(lambda: (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").stat().st_size > 0)
        code, took_s = end(process, number)
    assert code == 0
    assert took_s < END_S + SLACK_S
    lines = check_left_behind(tmp_path)
    assert re.search(rf"\b{lines} frames? classified", (tmp_path / "stderr").read_text())


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Who is impatient and asks twice is obeyed at once, and the log is whole all the same."""
    with started(tmp_path, *RUN, "synthetic:free") as process:
        wait_until((tmp_path / "out.jsonl").exists)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: process.poll() is not None or not catches(process, signal.SIGINT))
        code, _ = end(process, signal.SIGINT)
    assert code in (0, -signal.SIGINT)  # 0: the first one had been enough by then
    check_left_behind(tmp_path)


def test_a_reader_that_stands_still_does_not_keep_the_run(tmp_path: Path) -> None:
    """A full pipe on stdout holds the run up; SIGTERM ends it all the same."""
    with started(tmp_path, "run", "--preview", "none", "--source", "synthetic:free", "--log", "-") as process:
        wait_until(lambda: is_stuck(process))
        code, took_s = end(process, signal.SIGTERM)
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert code == 0
    assert took_s < END_S + SLACK_S
    assert [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
    check_left_behind(tmp_path)


def is_stuck(process: subprocess.Popen[bytes]) -> bool:
    """Say whether a process has filled the pipe at its stdout."""
    assert process.stdout is not None
    writer = os.open(f"/proc/self/fd/{process.stdout.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
    is_full = not select.select([], [writer], [], 0)[1]  # pipe(7): no page is free, so that its next line waits
    os.close(writer)
    return is_full


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["", "_pydantic_core", "_multiarray_umath", "ai_edge_litert"])
def test_commands_with_nothing_to_finish_die_of_the_signal(number: signal.Signals, moment: str, tmp_path: Path) -> None:
    """Other commands end by the signal itself (130 in a shell), silently, or are done before it."""
    with started(tmp_path, "models", "verify", "cifar10-lecture") as process:
        wait_until(
            lambda: process.poll() is not None or (catches(process, signal.SIGTERM) and has_come_to(process, moment))
        )
        code, _ = end(process, number)
    assert code in (0, -number, -signal.SIGINT)  # SIGTERM during the imports is passed on as SIGINT
    check_left_behind(tmp_path)


SPIN = """
from edge_app.system import process
stop = process.stop_on_signals()
print(flush=True)
while not stop.wait(-1):
    pass
"""


def test_a_signal_never_deadlocks_with_the_waiting_thread() -> None:
    """A signal that hits the main thread inside the event's lock is obeyed; most runs hung when a handler set it."""
    for _ in range(12):
        with subprocess.Popen([sys.executable, "-c", SPIN], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGTERM)
            try:
                assert process.wait(10) == 0
            finally:
                process.kill()


HANGING = """
import sys, threading
from edge_app.system import process
threading.Thread(target=threading.Event().wait, name="capture").start()
print("last words", end="")
process.leave(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 1, 78])
def test_leaving_waits_for_no_thread_and_loses_no_words(code: int) -> None:
    """`leave` ends with the code, everything written, though a capture thread hangs."""
    done = subprocess.run([sys.executable, "-c", HANGING, str(code)], capture_output=True, timeout=20, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, b"last words", b"")


def test_a_signal_while_an_unknown_model_is_tried(tmp_path: Path) -> None:
    """The trial of a model nobody vouches for, in a child process, is given up at once, and that is no failure."""
    model = ("--model", str(DATA / "mean_uint8.tflite"), "--labels", str(DATA / "rgb.txt"))
    with started(tmp_path, *RUN, "synthetic", *model) as process:
        wait_until(lambda: bool(children(process)))
        for child in children(process):
            os.kill(child, signal.SIGSTOP)  # Frozen: the trial cannot have ended when the signal comes.
        code, took_s = end(process, signal.SIGTERM)
    assert (code, (tmp_path / "stderr").read_text().count("did not finish")) == (0, 0)
    assert took_s < END_S + SLACK_S
    check_left_behind(tmp_path)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that a process has started and that run a program of their own by now."""
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    own = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    return [int(pid) for pid in found if Path(f"/proc/{pid}/cmdline").read_bytes() not in (b"", own)]


@pytest.fixture
def http_camera() -> Iterator[HttpCamera]:
    """Serve pictures on loopback."""
    camera = HttpCamera()
    yield camera
    camera.kill()


def test_a_signal_while_a_camera_is_awaited(http_camera: HttpCamera, tmp_path: Path) -> None:
    """A camera that takes the connection and is silent has not been opened: to give it up then is no failure."""
    with started(tmp_path, *RUN, http_camera.url("/silent")) as process:
        wait_until(lambda: bool(http_camera.links))
        code, took_s = end(process, signal.SIGTERM)
    assert code == 0
    assert took_s < END_S + SLACK_S
    assert " 0 frames classified" in (tmp_path / "stderr").read_text()


def test_a_run_that_is_stopped_has_not_failed(http_camera: HttpCamera, tmp_path: Path) -> None:
    """A run that ends by itself without one whole picture has failed; one that somebody ends before that has not."""
    with started(tmp_path, *RUN, http_camera.url("/damaged")) as process:
        wait_until(lambda: (tmp_path / "out.jsonl").exists() and (tmp_path / "out.jsonl").stat().st_size > 0)
        code, _ = end(process, signal.SIGTERM)
    assert code == 0
    said = (tmp_path / "stderr").read_text()
    assert re.search(r" 0 frames classified, [1-9]\d* dropped| [1-9]\d* damaged", said), said


@pytest.mark.parametrize("closed", [(0, 1), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams_do_no_harm(closed: tuple[int, ...], tmp_path: Path) -> None:
    """Without stdin, stdout or stderr the run goes on to its end, and nothing lands in a file it was not meant for."""
    words = [*RUN, "synthetic:free", "--frames", "40"]
    redirected = " ".join(f"{number}>&-" for number in closed)
    shell = ["sh", "-c", f'exec "$@" {redirected}', "sh", *command(), *words]
    assert subprocess.run(shell, cwd=tmp_path, env=environment(tmp_path), timeout=30, check=False).returncode == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 40


def test_a_child_that_hangs_is_given_up() -> None:
    """A child is killed when its time is up, or when the run is to end; one that ends tells how."""
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    assert process.run_child(sleep, threading.Event(), 0.3).code is None
    stop = threading.Event()
    stop.set()
    assert process.run_child(sleep, stop, 60).code is None


def test_a_child_that_reads_late_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given exceeds the pipe and the child takes its time before reading it: nothing is lost, nothing hangs."""
    monkeypatch.setattr(process, "_POLL_S", 0.001)  # Many looks at the child before Python has even started in it.
    given = b"x" * 300_000
    late = [sys.executable, "-c", "import sys; sys.exit(sys.stdin.read())"]
    ended = process.run_child(late, threading.Event(), 60, given)
    assert ended == process.Ended(1, given.decode() + "\n")
    deaf = process.run_child([sys.executable, "-c", "raise SystemExit(7)"], threading.Event(), 20, given)
    assert deaf.code == 7


@pytest.fixture
def starting() -> Iterator[None]:
    """Be a program that starts; look for garbage as before in the end."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    process.put_off_collection()
    yield
    gc.enable()
    gc.unfreeze()
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("starting")
def test_what_is_frozen_once_stays_all_that_is_frozen() -> None:
    """What the start made is never looked at again; what came later, as for a reload, is."""
    process.begin_collection()
    frozen = gc.get_freeze_count()
    assert gc.isenabled() and frozen > 1000
    kept = [[index] for index in range(1000)]
    process.begin_collection()
    assert len(kept) == 1000 and gc.get_freeze_count() <= frozen  # what is no longer used leaves


@pytest.mark.usefixtures("starting")
@pytest.mark.parametrize(
    "words", [words for words, entry in commands.TABLE.items() if entry.function and words not in ("", "run")]
)
def test_a_command_looks_for_garbage_while_it_works(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the start is without."""
    seen: list[bool] = []
    monkeypatch.setattr(commands, "find", lambda _: lambda *_: seen.append(gc.isenabled()) or 0)
    needed = ["x"] if words in ("models show", "models verify", "classify") else []
    assert cli.main([*words.split(), *needed], threading.Event()) == 0
    assert seen == [True]


@pytest.mark.usefixtures("starting")
def test_a_run_looks_for_garbage_while_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more to load than others, and begins with the first frame."""
    seen: list[bool] = []
    monkeypatch.setattr(pipeline, "run", lambda *_: seen.append(gc.isenabled()) or iter(()))
    (tmp_path / "config.toml").touch()
    words = ["--config", str(tmp_path / "config.toml"), "--source", "synthetic:free", "--preview", "none"]
    assert cli.main(["run", *words], threading.Event()) == 0
    assert seen == [True]
