"""One URL as a camera: MJPEG or single JPEGs over HTTP, others (RTSP, HLS, files) through FFmpeg. See `stream`.

MJPEG pictures are passed on as the server's bytes and decoded only as far as needed. A server of single JPEGs is asked
for `CameraOptions.fps` pictures per second, at least one.

Passwords: `rtsp://user:password@host/...`; neither the source's name nor any message repeats them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from edge_app.errors import CameraLost, SourceError
from edge_app.sources._contract import Request
from edge_app.sources._live import Camera, Capture
from edge_app.sources.stream import _address
from edge_app.sources.stream._decoded import Decoded
from edge_app.sources.stream._http import fetch
from edge_app.sources.stream._parts import MjpegParts
from edge_app.sources.stream._snapshots import SNAPSHOT_FPS, Snapshots


class Reader(Protocol):
    """One connection to a server."""

    def read(self) -> Capture | None:
        """See `_live.Camera.read`."""

    def close(self) -> None:
        """Hang up."""


class Stream(Camera):
    """One URL. See `_live.Camera`.

    Raises:
        SourceError: the URL is invalid.
    """

    def __init__(self, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = _address.parse(request.argument)
        self._request, self._clock = request, clock
        self._reader: Reader | None = None

    def open(self) -> str:
        """Connect, and choose the reader by the content type the server reports."""
        self.close()
        self._reader = self._connect()
        return self.address.public

    def read(self) -> Capture | None:
        """Wait for the next picture, at most about two seconds."""
        if self._reader is None:
            raise CameraLost("the stream is closed")
        return self._reader.read()

    def close(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _connect(self) -> Reader:
        address, stop, clock = self.address, self._request.stop, self._clock
        if address.scheme in ("rtsp", "rtsps"):
            return Decoded(address, stop, clock)
        response = fetch(address)
        kind = response.headers.get_content_type() if "Content-Type" in response.headers else "unknown"
        if kind.startswith("multipart/"):
            return MjpegParts(response, clock)
        response.close()
        if kind == "image/jpeg":
            return Snapshots(address, 1 / max(self._request.camera.fps or 0.0, SNAPSHOT_FPS), stop, clock)
        # FFmpeg would render plain text as a picture; an HLS playlist may be served as plain text.
        if kind.startswith("image/") or (kind.startswith("text/") and ".m3u8" not in address.bare):
            raise SourceError(f"{address.public} is not a stream but {kind}", "look for the camera's stream address")
        return Decoded(address, stop, clock)
