"""Flags of `edge-app run`."""

from __future__ import annotations

from pydantic import Field

from edge_app.settings import sections
from edge_app.settings.flags._base import Configured


class Run(Configured, sections.Settings):
    """Capture and classify frames, and show or log the results, until stopped.

    Examples:
      edge-app run                                    first camera found, preview where there is a display
      edge-app run --source webcam:1 --rate 5         second webcam, five classifications a second
      edge-app run --source video.mp4 --log - | head  results of a video as JSON lines
      edge-app run --source synthetic --frames 200 --log out.jsonl
    """

    frames: int | None = Field(None, gt=0, description="end after this many classifications")
    duration: float | None = Field(None, gt=0, description="end after this many seconds")
    service: bool = Field(
        False,
        description="run under systemd: wait indefinitely for the camera, log changes, refuse models without a card, "
        "reload settings and model on SIGHUP",
    )
