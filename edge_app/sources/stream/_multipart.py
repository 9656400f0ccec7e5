"""Parses MJPEG over HTTP, a multipart body whose parts are JPEG files. Does no I/O itself.

The format has no standard beyond RFC 2046 section 5.1 and the name multipart/x-mixed-replace. Servers differ in the
dashes of the delimiter, in whether a delimiter precedes the first part, and in Content-Length.
"""

from __future__ import annotations

import re

from edge_app.errors import CameraLost

# A server that never sends a boundary would otherwise fill the memory.
MAX_PART_BYTES = 16 << 20
MAX_HEADER_BYTES = 64 << 10

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_TEXT = re.compile(rb"[^\r\n]")
# A delimiter is a line break, dashes or both, then the boundary. With a boundary of 4 letters, a JPEG contains one by
# chance once in 256^5 bytes.
_LEAD = re.compile(rb"(?:\r?\n-*|--+)\Z")
_LINE_BREAK = re.compile(rb"\r?\n\Z")
_LONGEST_LEAD = 64
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,18})", re.IGNORECASE | re.MULTILINE)


class Multipart:
    """Splits a multipart body into parts, wherever the network cuts it.

    A part without Content-Length is complete only when the next one begins, which delays it by one frame.

    Args:
        boundary: the parameter of Content-Type, with or without leading dashes; "" if there is none.
    """

    def __init__(self, boundary: str) -> None:
        core = boundary.strip().lstrip("-").encode("latin-1", "replace")
        self._mark, self._lead = (core, _LEAD) if core else (b"--", _LINE_BREAK)
        self._overlap = len(self._mark) + _LONGEST_LEAD
        self._buffer = bytearray()
        self._is_in_body = False
        self._length: int | None = None
        self._scanned = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Add received data and return the parts it completes.

        Raises:
            CameraLost: a part or its headers are too large for MJPEG.
        """
        self._buffer += data
        parts = []
        while (part := self._next_part()) is not None:
            parts.append(part)
        return parts

    def _next_part(self) -> bytes | None:
        if not self._is_in_body and not self._take_headers():
            return None
        part = self._sized_body() if self._length is not None else self._delimited_body()
        self._is_in_body = part is None
        return part

    def _take_headers(self) -> bool:
        # The delimiter's line is skipped like an unknown header, so it does not matter how a server writes it.
        text = _TEXT.search(self._buffer)
        end = _BLANK_LINE.search(self._buffer, text.start()) if text else None
        if end is None:
            if len(self._buffer) > MAX_HEADER_BYTES:
                raise CameraLost("the server sends something other than MJPEG: no part begins")
            return False
        length = _LENGTH.search(self._buffer, 0, end.start())
        self._length = int(length.group(1)) if length else None
        if self._length is not None and self._length > MAX_PART_BYTES:
            raise CameraLost(f"the server announces a picture of {self._length} bytes")
        del self._buffer[: end.end()]
        self._scanned = 0
        return True

    def _sized_body(self) -> bytes | None:
        if self._length is None or len(self._buffer) < self._length:
            return None
        return self._cut(self._length)

    def _delimited_body(self) -> bytes | None:
        # Measured on parts of 260 kB: 0.23 ms per part with find, 4.3 ms with a single regular expression.
        at = self._buffer.find(self._mark, self._scanned)
        while at >= 0:
            lead = self._lead.search(self._buffer[max(0, at - _LONGEST_LEAD) : at])
            if lead is not None:
                return self._cut(at - len(lead.group()))
            at = self._buffer.find(self._mark, at + 1)
        if len(self._buffer) > MAX_PART_BYTES:
            raise CameraLost(f"the server sent {len(self._buffer)} bytes without a boundary")
        # Steps back: a boundary may be cut by the network between two calls.
        self._scanned = max(0, len(self._buffer) - self._overlap)
        return None

    def _cut(self, size: int) -> bytes:
        # memoryview avoids a second copy; it is freed before del, which fails on a buffer in use.
        part = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return part
