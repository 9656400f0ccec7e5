"""One URL as a camera: MJPEG or single JPEGs over HTTP, all else (RTSP, HLS, files) through FFmpeg. See `stream`.

MJPEG pictures are passed on as the server's own bytes and decoded only as far as somebody asks. A server that
delivers single JPEGs is asked for one a second, or as often as `CameraOptions.fps` says (at least once a second).

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
        SourceError: the URL is none.
    """

    def __init__(self, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = _address.parse(request.argument)
        self._request, self._clock = request, clock
        self._reader: Reader | None = None

    def open(self) -> str:
        """Connect, and choose the reader by what the server says it sends."""
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
        # FFmpeg would show plain text as a picture of letters; a playlist of HLS may be called plain text.
        if kind.startswith("image/") or (kind.startswith("text/") and ".m3u8" not in address.bare):
            raise SourceError(f"{address.public} is not a stream but {kind}", "look for the camera's stream address")
        return Decoded(address, stop, clock)
