"""Masks passwords in texts before they are shown, logged or stored.

The texts are sources as people type them: addresses, with or without a scheme, well-formed or not. A malformed
address cannot be parsed reliably, so `masked` hides too much rather than too little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

# What may precede user and host: the name of a source and a scheme, one slash of which may be missing.
_HEAD = re.compile(r"(?:(?:\w+:)?(?:rtsp|rtsps|rtmp|rtmps|srt|udp|tcp|http|https|ftp):/{1,2})?", re.IGNORECASE)
_COLON = re.compile(":|%3A", re.IGNORECASE)
# A colon after the host without a port after it: the user forgot the @ after a password.
_PORT = r"(?:\d{0,4}|[1-5]\d{4}|6[0-5]\d{3})(?:[/?#]|$)"
_MALFORMED_PORT = re.compile(rf"(?:[^/?#]*@)?(?:\[[^\]]*\]|[^:/?#@\[]*):(?!{_PORT})")
# Names of parameters for passwords and tokens, in the query or the path: rtsp://host/user=admin_password=...
_PARAMETER = re.compile(
    r"(?:(?:pas|pw|psw|psd|token|key|auth|secret|cred|sig)[^=&?;/#]*|(?<![a-z0-9])p(?:in)?)(?:=|%3D)([^&]*)",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Return a text with each password and token replaced by ***.

    It hides the text between the first colon and the last @, because a password may contain ":", "@" and "/"; the text
    after the host's colon unless it is a port; and the values of parameters named like secrets.
    """
    shown, end = "", 0
    for begin, stop in sorted(_secrets(text)):
        if begin > end or not shown:
            shown += f"{text[end:begin]}***"
        end = max(end, stop)
    return shown + text[end:]


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each secret; they may overlap."""
    head = _HEAD.match(text)
    begin = head.end() if head else 0
    at = text.rfind("@", begin)
    # Without an @, `at` is -1; the range is then empty and no colon counts as a password's.
    colon = _COLON.search(text, begin, max(at, begin))
    malformed = _MALFORMED_PORT.match(text, begin) if begin else None
    if colon:
        yield colon.end(), at
    elif malformed:
        yield malformed.end(), len(text)
    for parameter in _PARAMETER.finditer(text):
        yield parameter.span(1)


def masked_value(value: Any) -> Any:
    """Return a value of the settings with all its texts masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list):
        return [masked_value(part) for part in value]
    if isinstance(value, dict):
        return {masked(key): masked_value(part) for key, part in value.items()}
    return value
