"""Flags of `edge-app config`."""

from __future__ import annotations

from pydantic import Field

from edge_app.settings.flags._base import Configured


class Config(Configured):
    """Print the effective settings, with passwords masked, and where each value came from.

    Examples:
      edge-app config
      EDGE_APP_RATE=5 edge-app config
      edge-app config --service --config /etc/edge-app/config.toml
    """

    service: bool = Field(False, description="start from the defaults of 'run --service'")
