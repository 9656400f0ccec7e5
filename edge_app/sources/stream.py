"""Network cameras by URL: `rtsp://...`, `http://...`. How they are read is in `_network`."""

from __future__ import annotations

from edge_app.sources._base import Request, Source
from edge_app.sources._live import LiveSource

SCHEMES = ("rtsp", "rtsps", "http", "https")


def connect(request: Request) -> Source:
    """Open a stream.

    Raises:
        SourceError: nothing answers, or not with pictures; says the reason.
    """
    from edge_app.sources._network import (
        Stream,  # takes long, and who looks for the source of a file imports this module
    )

    return LiveSource(Stream(request), request)
