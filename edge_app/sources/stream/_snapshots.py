"""Servers that deliver one picture per request."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable

import numpy as np

from edge_app.errors import CameraLost, SourceError
from edge_app.pictures.jpeg import whole_jpeg
from edge_app.sources._live import Capture
from edge_app.sources.stream._address import Address
from edge_app.sources.stream._http import NETWORK_TIMEOUT_S, fetch, receive
from edge_app.sources.stream._multipart import MAX_PART_BYTES
from edge_app.system.wording import counted

POLL_S = 0.25
SNAPSHOT_FPS = 1.0  # Default and minimum: `_live` considers a camera lost after 2 s of silence.


class Snapshots:
    """The pictures of a server that delivers one per request.

    Args:
        address: the server.
        period_s: seconds between requests.
        stop: ends the wait between requests.
        clock: monotonic seconds.
    """

    def __init__(self, address: Address, period_s: float, stop: threading.Event, clock: Callable[[], float]) -> None:
        self._address, self._period_s, self._stop, self._clock = address, period_s, stop, clock
        self._due_s = clock()

    def read(self) -> Capture | None:
        """Request one picture if it is due; otherwise wait a little."""
        early_s = self._due_s - self._clock()
        if early_s > 0 and (self._stop.wait(min(early_s, POLL_S)) or early_s > POLL_S):
            return None
        asked_s = self._clock()
        # max: after a slow answer the missed requests are not made up in a burst.
        self._due_s = max(self._due_s + self._period_s, asked_s)
        try:
            with fetch(self._address) as response:
                data = self._body(response, asked_s + NETWORK_TIMEOUT_S)
        except SourceError as error:
            # The loop reopens on CameraLost only; a SourceError from `read` would end the capture thread.
            raise CameraLost(error.what, error.remedy) from error
        return Capture(whole_jpeg(np.frombuffer(data, np.uint8)), asked_s)

    def close(self) -> None:
        """Do nothing: every request has its own connection."""

    def _body(self, response: http.client.HTTPResponse, deadline_s: float) -> bytes:
        data = bytearray()
        while not response.isclosed() and (response.length is None or response.length > 0):
            try:
                data += receive(response)
            except CameraLost:
                if response.length is not None or not data:
                    raise
                break  # Without Content-Length, the end of the connection is the end of the picture.
            if len(data) > MAX_PART_BYTES or self._clock() > deadline_s:
                raise CameraLost(f"the server takes too long for a picture ({counted(len(data), 'byte')} so far)")
        return bytes(data)
