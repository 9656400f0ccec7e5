"""Flags of `edge-app sources`."""

from __future__ import annotations

from edge_app.settings.flags._base import Command


class Sources(Command):
    """List the cameras found, their modes, and the string that selects each.

    Examples:
      edge-app sources
    """
