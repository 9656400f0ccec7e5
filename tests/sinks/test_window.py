"""The preview window on a real X server, in real processes."""

from __future__ import annotations

import ctypes
import subprocess
import threading
import time
from pathlib import Path

import pytest

from edge_app import sinks
from edge_app.errors import StartError
from edge_app.sinks import Destination
from tests.results import command, edge_app, environment

RUN = ("run", "--source", "synthetic", "--log", "out.jsonl")


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
            deadline_s = time.monotonic() + 10
            while not (tmp_path / "out.jsonl").read_bytes().count(b"\n") > 3:
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
            click_on_its_cross(display, window) if how == "cross" else press(display, window, how)
            _, said = process.communicate(timeout=2)
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


@pytest.mark.parametrize(
    ("where", "reason"), [("", "no display here"), (":4711", "the display :4711 does not open a window")]
)
def test_without_a_display_the_run_goes_on(where: str, reason: str, tmp_path: Path) -> None:
    """Without a display, or with one that does not answer, one line says so and where results go; frames flow on."""
    done = edge_app(tmp_path, *RUN, "--frames", "5", DISPLAY=where)
    assert done.returncode == 0
    assert f"edge-app: no preview: {reason}; results go to the log out.jsonl\n" in done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 5


def test_a_window_that_was_asked_for_by_name_must_open(tmp_path: Path) -> None:
    """`--sink window` without a display is no wish but a condition: exit 3."""
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


def test_a_stop_does_not_wait_for_a_display_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal while a display does not answer is obeyed within a second."""
    (tmp_path / "cv2.py").write_text("import time\ntime.sleep(60)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started_s = time.monotonic()
    with pytest.raises(StartError, match="the display :0 does not answer"):
        sinks.connect("window", Destination(stop=stop))
    assert time.monotonic() - started_s < 1
