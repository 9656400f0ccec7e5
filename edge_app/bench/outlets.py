"""The sinks to measure with: none, the log, or a preview that is drawn but not shown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from edge_app import sinks
from edge_app.pictures import overlay
from edge_app.pictures.opencv import cv2
from edge_app.records import Picture, Result
from edge_app.settings.choices import Outlet
from edge_app.sinks import Destination, Sink


class Preview:
    """A sink that decodes and draws like the preview window, without showing a window."""

    name, wants_picture = "preview", True

    def emit(self, result: Result, picture: Picture | None) -> None:
        """Draw the result on the full-size picture."""
        if picture is not None:
            # The result is dropped, yet a window takes BGR, so the conversion belongs to a preview's cost.
            cv2.cvtColor(overlay.draw(picture.rgb(), result), cv2.COLOR_RGB2BGR)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


@contextmanager
def opened(outlets: Sequence[Outlet]) -> Iterator[list[Sink]]:
    """Open the sinks of outlets; the log writes to a temporary file."""
    with tempfile.TemporaryDirectory() as folder:
        found: list[Sink] = []
        if "preview" in outlets:
            found.append(Preview())
        if "log" not in outlets:
            yield found
            return
        with closing(sinks.connect(f"log:{Path(folder, 'log.jsonl')}", Destination())) as log:
            yield [*found, log]
