"""A real X server for the tests of sinks that open windows."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import cv2
import pytest


@pytest.fixture
def windows() -> None:
    """Skip if OpenCV cannot open windows, like that of the [headless] extra."""
    if not cv2.currentUIFramework():
        pytest.skip("this OpenCV has no windows (opencv-python-headless); the [desktop] extra has")


@pytest.fixture(scope="session")
def x_server() -> Iterator[str]:
    """Start an X server without a screen on a free display; return its name."""
    missing = [program for program in ("Xvfb", "xdotool") if not shutil.which(program)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} missing; sudo apt install xvfb xdotool")
    ready, tell = os.pipe()
    with subprocess.Popen(
        ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        pass_fds=[tell],
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(tell)
        with os.fdopen(ready) as lines:
            number = lines.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
        server.kill()


@pytest.fixture
def display(windows: None, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make the X server this test's display."""
    name: str = request.getfixturevalue("x_server")  # not started where nothing could be shown
    monkeypatch.setenv("DISPLAY", name)
    return name
