"""Flags of `edge-app` itself."""

from __future__ import annotations

from pydantic import Field

from edge_app.settings.flags._base import Group


class App(Group):
    """Point a camera at things and get labels you can trust."""

    version: bool = Field(False, description="print version, runtime and default model")
