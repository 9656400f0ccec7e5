"""Flags of `edge-app doctor`."""

from __future__ import annotations

from pydantic import Field

from edge_app.settings.flags._base import Configured


class Doctor(Configured):
    """Check settings, libraries, model, delegate, camera and board; report what is wrong and what to do.

    The exit code is 0 without problems, else 1. Nothing is changed; the camera is opened for one picture.

    Examples:
      edge-app doctor
      edge-app doctor --service --config /etc/edge-app/config.toml
      edge-app doctor --json - | jq '.findings[] | select(.state == "problem")'
    """

    service: bool = Field(False, description="start from the defaults of 'run --service'")
    json_: str | None = Field(None, alias="json", description="write the findings as JSON to this file; - is stdout")
