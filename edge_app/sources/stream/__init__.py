"""Network cameras by URL: `rtsp://...`, `http://...`. See `_camera` for how each is read."""

from __future__ import annotations

from edge_app.sources._contract import Request, Source
from edge_app.sources._live import LiveSource

SCHEMES = ("rtsp", "rtsps", "http", "https")


def connect(request: Request) -> Source:
    """Open a stream.

    Raises:
        SourceError: the server does not answer, or not with pictures; the message states the reason.
    """
    # Imported late: `discover` loads every source, even if no stream is opened; http and ssl need not come along.
    from edge_app.sources.stream._camera import Stream

    return LiveSource(Stream(request), request)
