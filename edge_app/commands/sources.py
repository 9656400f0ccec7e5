"""List the connected cameras."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

from edge_app.errors import EXIT_OK

if TYPE_CHECKING:
    from edge_app.settings.flags.sources import Sources


def list_sources(settings: Sources, stop: threading.Event) -> int:
    """Run `edge-app sources`."""
    from edge_app import sources

    found = list(sources.discover())
    for camera in found:
        print(f"{camera.select}  {camera.title}")
        for line in camera.modes:
            print(f"    {line}")
        if camera.problem:
            print(f"    {camera.problem}")
    if not found:
        print("no camera found", file=sys.stderr)
    print("synthetic  drawn scenes of the ten classes, always available")
    return EXIT_OK
