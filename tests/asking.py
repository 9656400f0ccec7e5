"""Requests and destinations for tests; other keywords become settings inside them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from edge_app.settings.sections import CameraOptions, OutputOptions
from edge_app.sinks import Destination
from edge_app.sources import Request


def request_for(argument: str = "", **wishes: Any) -> Request:
    """Make what a source is opened with."""
    own = {field.name for field in fields(Request)}
    camera = CameraOptions(**{name: value for name, value in wishes.items() if name not in own})
    return Request(camera, argument, **{name: value for name, value in wishes.items() if name in own})


def destination_for(argument: str = "", **wishes: Any) -> Destination:
    """Make what a sink is opened with."""
    own = {field.name for field in fields(Destination)}
    output = OutputOptions(**{name: value for name, value in wishes.items() if name not in own})
    return Destination(argument, output, **{name: value for name, value in wishes.items() if name in own})
