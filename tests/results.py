"""Results and edge-app processes for tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge_app.pictures.array import ArrayPicture
from edge_app.records import Result, Verdict

OK = Verdict("ok", "cat", 0.9, (("cat", 0.9), ("dog", 0.1)))
UNKNOWN = Verdict("unknown", None, None, (("cat", 0.4), ("dog", 0.3)))
OUTAGE = Verdict("outage", None, None, reason="the cable is out")
PICTURE = ArrayPicture(np.full((48, 64, 3), 90, np.uint8))


def result(verdict: Verdict = OK, **changes: Any) -> Result:
    """Make the result of one frame of now, with some of its fields as given."""
    now_s = time.monotonic()
    return replace(Result(verdict, "toy", 7, now_s, time.time(), now_s, 10.0, 0), **changes)


def command(*arguments: str) -> list[str]:
    """Return the command line of an edge-app of this environment."""
    return [sys.executable, "-m", "edge_app", *arguments]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment without a display and without the user's settings."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("EDGE_APP_", "XDG_", "DISPLAY"))}
    kept.pop("WAYLAND_DISPLAY", None)
    return kept | {"HOME": str(folder)} | variables


def edge_app(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run edge-app to its end in `folder`, as a user without settings and without a display would."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
