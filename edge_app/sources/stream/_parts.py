"""The pictures of a multipart response."""

from __future__ import annotations

import http.client
from collections import deque
from collections.abc import Callable

import numpy as np

from edge_app.pictures.jpeg import whole_jpeg
from edge_app.sources._live import Capture
from edge_app.sources.stream._http import receive
from edge_app.sources.stream._multipart import Multipart

READ_S = 1.0  # The longest wait of one read for a picture while data trickles in.


class MjpegParts:
    """The pictures of a multipart response."""

    def __init__(self, response: http.client.HTTPResponse, clock: Callable[[], float]) -> None:
        self._response, self._clock = response, clock
        self._parser = Multipart(str(response.headers.get_param("boundary", "")))
        self._waiting: deque[bytes] = deque()

    def read(self) -> Capture | None:
        """Take the next part."""
        deadline_s = self._clock() + READ_S
        while not self._waiting:
            if self._clock() > deadline_s:
                return None
            self._waiting.extend(self._parser.feed(receive(self._response)))
        return Capture(whole_jpeg(np.frombuffer(self._waiting.popleft(), np.uint8)), self._clock())

    def close(self) -> None:
        """Hang up."""
        self._response.close()
