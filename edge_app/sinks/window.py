"""A preview window: the picture with label, confidence, FPS and latency; q or Esc ends the run."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

from edge_app.errors import SinkError, StartError
from edge_app.pictures.opencv import cv2
from edge_app.pictures.overlay import blank, draw
from edge_app.records import Picture, Pixels, Result
from edge_app.sinks._contract import Destination, Sink
from edge_app.system import process

_TRIAL_S = 20.0
_QUIT_KEYS = (ord("q"), 27)
_SHOWN_SIDE_PX = 480  # Pictures whose short side is smaller are enlarged, so that text stays readable ...
_LONGEST_SIDE_PX = 2048  # ... up to this long side: a very long picture would fill the memory.

_CHECK_DISPLAY = "check DISPLAY and your access to it, or choose --preview none"


def connect(destination: Destination) -> Sink:
    """Open the window.

    Raises:
        StartError: there is no display, or this OpenCV cannot open windows.
    """
    problem = find_problem(destination.stop)
    if problem:
        raise problem
    return Window(destination)


def find_problem(stop: threading.Event) -> StartError | None:
    """Return why no window can be opened here, None if one can.

    Qt aborts the process when the display does not answer, so a child process tries first.

    Args:
        stop: set to give up.
    """
    shown_on = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform == "linux" and not shown_on:
        return StartError("no display here", "choose --preview none, or set DISPLAY")
    trial = "import cv2; cv2.namedWindow('edge-app'); cv2.destroyAllWindows()"
    ended = process.run_child(process.python_child(trial), stop, _TRIAL_S)
    if ended.code == 0:
        return None
    if ended.code is None:
        return StartError(f"the display {shown_on} does not answer", _CHECK_DISPLAY)
    if "not implemented" in ended.said:
        return StartError("this OpenCV has no windows (opencv-python-headless)", "install the [desktop] extra instead")
    return StartError(f"the display {shown_on} does not open a window", _CHECK_DISPLAY)


class Window:
    """One window, drawn by the thread that classifies."""

    wants_picture = True

    def __init__(self, destination: Destination) -> None:
        self.name = "window"
        self._title, self._stop = destination.title, destination.stop
        self._is_shown = False
        try:
            # Without GUI_NORMAL, Qt adds a toolbar and a status bar.
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
        except cv2.error as error:
            raise StartError(f"no window: {error.err}", _CHECK_DISPLAY) from error

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Draw the picture with its result, and check for a key press."""
        if self._is_shown and self._is_closed():  # Checked first: drawing on a closed window fails.
            self._stop.set()
            return
        try:
            pixels = blank() if picture is None else picture.rgb()
            drawn = cv2.cvtColor(draw(_readable(pixels), result), cv2.COLOR_RGB2BGR)
            if not self._is_shown:
                # Only once: afterwards the size is the user's choice.
                cv2.resizeWindow(self._title, drawn.shape[1], drawn.shape[0])
            cv2.imshow(self._title, drawn)
            key = cv2.pollKey() & 0xFF
        except cv2.error as error:
            raise SinkError(f"cannot draw: {error.err}", _CHECK_DISPLAY) from error
        self._is_shown = True
        if key in _QUIT_KEYS:
            self._stop.set()

    def _is_closed(self) -> bool:
        try:
            return bool(cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1)
        except cv2.error:
            return True  # Qt ends with its last window.

    def close(self) -> None:
        """Close the window."""
        with contextlib.suppress(cv2.error):  # The user may have closed it already.
            cv2.destroyWindow(self._title)


def _readable(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = min(-(-_SHOWN_SIDE_PX // min(height, width)), _LONGEST_SIDE_PX // max(height, width))
    if scale <= 1:
        return pixels
    # Nearest at a whole factor shows each pixel as it is; interpolation would blur a small picture.
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
