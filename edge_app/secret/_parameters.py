"""Finds secrets in the path and the parameters of an address: `?user=eve&password=...`, `/user=eve_password=...`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_SEPARATOR = re.compile(r"[/?#&;,\\]|%(?:25)*26")
# In the path, some cameras use an underscore too: /user=admin_password=..._channel=1
_IN_PATH = re.compile(rf"{_SEPARATOR.pattern}|_(?=[A-Za-z]+(?:=|%3D))")
_COLON = re.compile(":|%(?:25)*3A", re.IGNORECASE)
_EQUALS = re.compile("=|%(?:25)*3D", re.IGNORECASE)
# Parts of the names of passwords and tokens; then whole names.
_SECRET = re.compile(
    r"pas|pw|psw|psd|psk|token|key|auth|secret|cred|sig|sess|jwt|bearer|otp|code|hash|cookie|login|access|nonce|signed"
    r"|(?:^|[^a-z])(?:p|pin|sid|tok|k|s)$",
    re.IGNORECASE,
)
_USERS = frozenset(("user", "usr", "username", "u", "loginuse"))
_USER = re.compile(r"[A-Za-z][\w.@-]{0,11}")
# Parameters of real cameras that say nothing of their owner. All others are hidden unless `_SHORT`.
_HARMLESS = frozenset(
    [
        "action",
        "audio",
        "bitrate",
        "ch",
        "chn",
        "channel",
        "channels",
        "cam",
        "camera",
        "cmd",
        "codec",
        "compression",
        "enablesrtp",
        "fmt",
        "format",
        "fps",
        "framerate",
        "h",
        "height",
        "latency",
        "mode",
        "mirror",
        "multicast",
        "number",
        "pkt_size",
        "port",
        "profile",
        "proto",
        "protocol",
        "q",
        "quality",
        "rate",
        "real_stream",
        "res",
        "resolution",
        "rotation",
        "size",
        "stream",
        "streamtype",
        "sub",
        "subtype",
        "timeout",
        "transport",
        "transportmode",
        "type",
        "unicast",
        "video",
        "videocodec",
        "videocodectype",
        "w",
        "width",
        "x",
        "y",
    ]
)
_HARMLESS_VALUE = re.compile(r"[\w.-]{0,16}")
_SHORT = re.compile(r"\d{0,3}|\w")  # A value that is no secret, whatever its name.
_MIXED = re.compile(
    r"(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{14,}|[0-9a-f]{8}-[0-9a-f]{4}-|eyJ[\w-]{6,}", re.IGNORECASE
)
_LETTERS = re.compile("[A-Za-z]{12,}")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Where a secret is.

    Attributes:
        begin: of its first character.
        end: after its last character.
        is_certain: it is a secret; otherwise it may be one, and is hidden only where it stands.
    """

    begin: int
    end: int
    is_certain: bool = True


def is_random(text: str) -> bool:
    """Return whether a word looks made by chance, like a token: letters and digits mixed, or case changing often."""
    if _MIXED.search(text):
        return True
    return any(
        2 * sum(a.islower() != b.islower() for a, b in itertools.pairwise(word)) >= len(word)
        for word in _LETTERS.findall(text)
    )


@dataclass(frozen=True, slots=True)
class _Token:
    """A parameter, or a word without a value. Positions are those of the whole text.

    Attributes:
        name: decoded, in lower case; the word itself if it has no value.
        begin: of the name.
        value: begin of the value; None without one.
        end: after its last character.
        is_segment: it stands in the path.
    """

    name: str
    begin: int
    value: int | None
    end: int
    is_segment: bool


def find(text: str, begin: int, is_strict: bool, words: bool = True) -> Iterator[Span]:
    """Yield the secrets in path and parameters: what is named like one, and its parts if it contains separators.

    Args:
        text: the whole text.
        begin: where to start; the host lies before it.
        is_strict: the text is an address: whatever is not known to be harmless is secret. In others, such as a path,
            that holds behind a question mark only.
        words: look at words without a value too.
    """
    hiding = False  # A secret may contain separators: it ends only before a parameter that is known.
    for token in _tokens(text, begin):
        strict = is_strict or not token.is_segment
        value = "" if token.value is None else text[token.value : token.end]
        if token.value is None:
            is_hidden = hiding or (strict and words and _is_secret_word(token))
        elif _SECRET.search(token.name) and token.name not in _HARMLESS:
            is_hidden = True
        elif _is_harmless(token.name, value) and not (hiding and len(token.name) == 1 and not value.isdecimal()):
            is_hidden = False
        else:
            is_hidden = hiding or (strict and not _SHORT.fullmatch(value))
        if is_hidden and token.end > token.begin:
            yield _span(token, text, hiding)
        hiding = is_hidden


def _span(token: _Token, text: str, hiding: bool) -> Span:
    if hiding and not (token.value is not None and _SECRET.search(token.name)):
        return Span(token.begin - 1, token.end)  # with the separator, which belongs to the secret
    if token.value is None:
        colon = _COLON.search(text, token.begin, token.end)
        return Span(colon.end() if colon else token.begin, token.end)
    is_certain = bool(_SECRET.search(token.name)) or is_random(text[token.value : token.end])
    return Span(token.value, token.end, is_certain)


def _is_secret_word(token: _Token) -> bool:
    if token.is_segment:
        return bool(_COLON.search(token.name)) or is_random(token.name)
    return not _SHORT.fullmatch(token.name) and token.name.lower() not in _HARMLESS


def _is_harmless(name: str, value: str) -> bool:
    if name in _USERS:
        return bool(_USER.fullmatch(value)) and not is_random(value)
    return name in _HARMLESS and bool(_HARMLESS_VALUE.fullmatch(value)) and not is_random(value)


def _tokens(text: str, begin: int) -> Iterator[_Token]:
    is_segment = True
    while begin <= len(text):
        separator = (_IN_PATH if is_segment else _SEPARATOR).search(text, begin)
        end = separator.start() if separator else len(text)
        equals = _EQUALS.search(text, begin, end)
        name = text[begin : equals.start() if equals else end]
        yield _Token(
            _decoded(name).lower() if equals else name, begin, equals.end() if equals else None, end, is_segment
        )
        if separator is None:
            return
        # A slash in a query begins no segment: it may belong to a value.
        is_segment = is_segment and separator.group() not in ("?", "#")
        begin = separator.end()


def _decoded(name: str) -> str:
    if "%" not in name:
        return name
    from urllib.parse import unquote  # rarely needed, and slow to load

    return unquote(name)
