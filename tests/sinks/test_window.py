"""The preview window on a real X server, in real processes."""

from __future__ import annotations

import ctypes
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_app import sinks
from edge_app.errors import StartError
from edge_app.sinks import Destination
from tests.results import command, edge_app, environment

RUN = ("run", "--source", "synthetic", "--log", "out.jsonl")
END_S = 2.0  # One is promised; another is what a busy machine may add.


class ClientMessage(ctypes.Structure):
    """Xlib's XClientMessageEvent, padded to the size of XEvent."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 24),
    ]


def click_on_its_cross(display: str, window: str) -> None:
    """Ask a window to close as a window manager does (ICCCM 4.2.8.1); xdotool's older versions cannot."""
    xlib = ctypes.CDLL("libX11.so.6")
    xlib.XOpenDisplay.restype = ctypes.c_void_p
    xlib.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(xlib.XOpenDisplay(display.encode()))
    protocols, delete = (xlib.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))
    message = ClientMessage(33, 0, 1, connection, int(window), protocols, 32, (delete,))  # 33: ClientMessage
    xlib.XSendEvent(connection, ctypes.c_ulong(int(window)), 0, ctypes.c_long(0), ctypes.byref(message))
    xlib.XCloseDisplay(connection)


def until(is_true: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    deadline_s = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.01)


def press(display: str, window: str, key: str) -> None:
    """Press a key in a window."""
    subprocess.run(
        ["xdotool", "key", "--window", window, key], env={"DISPLAY": display}, check=True, capture_output=True
    )


@pytest.mark.parametrize("how", ["q", "Escape", "cross"])
def test_the_window_shows_and_ends_the_run(how: str, display: str, tmp_path: Path) -> None:
    """A window opens; q, Esc or its cross ends the run with 0 within a second."""
    environ = environment(tmp_path, DISPLAY=display)
    with subprocess.Popen(
        command(*RUN), cwd=tmp_path, env=environ, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            window = find_window(display, "^edge-app$")
            until(lambda: (tmp_path / "out.jsonl").read_bytes().count(b"\n") > 3)
            click_on_its_cross(display, window) if how == "cross" else press(display, window, how)
            _, said = process.communicate(timeout=END_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert b"Traceback" not in said
    assert b"failed" not in said


def find_window(display: str, title: str) -> str:
    """Wait for a window and return its number."""
    found = subprocess.run(
        ["xdotool", "search", "--sync", "--onlyvisible", "--name", title],
        env={"DISPLAY": display},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return found.stdout.split()[-1]


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("where", "reason"), [("", "no display here; "), (":4711", "the display :4711 does not open a window; ")]
)
def test_without_a_display_the_run_goes_on(where: str, reason: str, tmp_path: Path) -> None:
    """Without a display, or with one that does not answer, one line says so and where results go; the run goes on."""
    done = edge_app(tmp_path, *RUN, "--frames", "5", DISPLAY=where)
    assert done.returncode == 0
    assert f"edge-app: no preview: {reason}" in done.stderr and "; results go to the log out.jsonl\n" in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5


def test_a_window_that_was_asked_for_by_name_must_open(tmp_path: Path) -> None:
    """`--sink window` makes the window mandatory: without a display the exit code is 3."""
    done = edge_app(tmp_path, *RUN, "--sink", "window", "--preview", "none")
    assert (done.returncode, "no display here" in done.stderr) == (3, True)


HEADLESS = """
def namedWindow(title):
    raise RuntimeError("OpenCV(5.0.0) :-1: error: (-2:Unspecified error) The function is not implemented. Rebuild the "
                       "library with Windows, GTK+ 2.x or Cocoa support. in function 'cvNamedWindow'")
"""


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (HEADLESS, r"this OpenCV has no windows \(opencv-python-headless\); install the \[desktop\] extra instead"),
        ("import os\nos.abort()", "the display :0 does not open a window"),
    ],
)
def test_an_opencv_without_windows_is_told_apart(
    module: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The headless OpenCV is named with its remedy; one that crashes on the display takes only a child with it."""
    (tmp_path / "cv2.py").write_text(module)  # what the child that tries will import
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(StartError, match=reason):
        sinks.connect("window", Destination())


# What a child that only tries a window finds in the place of OpenCV; who really wants OpenCV finds it.
HANGING = """
import pathlib, sys, threading
if sys.argv[0] == "-c":
    pathlib.Path({folder!r}, "tried").touch()
    threading.Event().wait()
place = sys.path.index({folder!r})
del sys.path[place], sys.modules["cv2"]
import cv2
sys.path.insert(place, {folder!r})
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """Return a folder with an OpenCV whose windows hang; it writes the file `tried` when one is opened."""
    folder = tmp_path / "hanging"
    folder.mkdir()
    (folder / "cv2.py").write_text(HANGING.format(folder=str(folder)))
    return folder


def test_a_stop_does_not_wait_for_a_display_that_hangs(hanging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped run does not wait for a display that does not answer."""
    monkeypatch.syspath_prepend(hanging)
    monkeypatch.setenv("DISPLAY", ":0")
    stop = threading.Event()
    stop.set()
    with pytest.raises(StartError, match="the display :0 does not answer"):
        sinks.connect("window", Destination(stop=stop))


def test_a_signal_while_a_display_hangs_is_no_failure(hanging: Path, tmp_path: Path) -> None:
    """A run that is asked to end before it had begun, since its window does not open, ends with 0 and in time."""
    variables = environment(tmp_path, DISPLAY=":0", PYTHONPATH=str(hanging))
    words = command(*RUN, "--preview", "none", "--sink", "window")
    with subprocess.Popen(words, cwd=tmp_path, env=variables, stderr=subprocess.PIPE) as process:
        try:
            until((hanging / "tried").exists)
            process.terminate()
            _, said = process.communicate(timeout=END_S)
        finally:
            process.kill()
    assert (process.returncode, b"does not answer" in said) == (0, False)
