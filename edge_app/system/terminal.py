"""What commands print, made harmless for the terminal that shows it."""

from __future__ import annotations

import io
import re
from typing import Any, TextIO

from edge_app.secret import scrubbed

# C0 but tab, line feed and carriage return; DEL and C1; the marks that change the direction of writing (UAX #9); lone
# surrogates. An escape sequence (ECMA-48) begins with ESC or with a C1 character.
_STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escaped(json_text: str) -> str:
    """Return a JSON text with each character that steers a terminal as an escape, which means the same."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", json_text)


class Harmless:
    """A text stream that passes everything on but known secrets, and what steers a terminal: that becomes U+FFFD.

    Commands print what cards, label files, cameras and file names hold; one place that all of it passes cannot be
    forgotten by the next command.

    Args:
        stream: the stream to write to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may lack a name's letters

    def write(self, text: str) -> int:
        """Write a text; return its length."""
        self._stream.write(_STEERING.sub("\N{REPLACEMENT CHARACTER}", scrubbed(text)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Return anything else of the inner stream."""
        return getattr(self._stream, name)
