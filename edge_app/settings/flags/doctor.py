"""Flags of `edge-app doctor`."""

from __future__ import annotations

from pydantic import Field

from edge_app.settings.flags._base import Configured


class Doctor(Configured):
    """Examine settings, libraries, model, delegate, camera and board; say what is wrong and what to do.

    Exit code 0 if there is no problem, 1 if there is one. Nothing is changed; the camera is opened for one picture.

    Examples:
      edge-app doctor
      edge-app doctor --service --config /etc/edge-app/config.toml
      edge-app doctor --json - | jq '.findings[] | select(.state == "problem")'
    """

    service: bool = Field(False, description="begin from the defaults of 'run --service'")
    json_: str | None = Field(None, alias="json", description="write the findings as JSON to this file; - is stdout")
