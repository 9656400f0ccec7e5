"""Finds the secrets in a text that a user typed.

The texts are sources as people type them: addresses, with or without a scheme, well-formed or not, and whatever stands
where an address should not. A malformed address cannot be parsed, so the rules hide too much rather than too little;
only what is no address at all, such as a path, keeps its colons, @ and parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from edge_app.secret import _parameters
from edge_app.secret._parameters import Span

__all__ = ["PLACEHOLDER", "Findings", "Login", "Span", "find"]

# `{credential:NAME}` and `{file:/PATH}` stand for a secret kept elsewhere: they name its place and are shown.
PLACEHOLDER = re.compile(r"\{(credential|file):([^{}]*)\}")
# What stands in a placeholder's place while the rules below look for secrets: no rule gives it a meaning.
_FILLER = "\ue000"

# Sources and sinks whose argument is usually a path: "video:/x" must not be taken for a scheme.
NAMES = ("auto", "console", "folder", "log", "picamera", "stream", "synthetic", "video", "webcam", "window")
_NAMES = re.compile(rf"(?:(?:{'|'.join(NAMES)}):(?!//))*", re.IGNORECASE)
# A scheme has two letters at least, because C:/ is a drive; its slashes are often one too few or too many.
_ANY_COLON, _ANY_SLASH = "(?::|%(?:25)*3A)", "(?:/|%(?:25)*2F)"
_HEAD = re.compile(
    rf"(?<![a-z0-9%])[a-z][a-z0-9+.-]+{_ANY_COLON}{_ANY_SLASH}{{2,}}|//+"
    rf"|(?<![a-z0-9%])(?:r(?:tsp|tmp|tp)|https?|srt|mms|mqtt|onvif)[a-z+]*{_ANY_COLON}{_ANY_SLASH}+"
    rf"|^[a-z][a-z0-9+.-]+{_ANY_COLON}{_ANY_SLASH}",
    re.IGNORECASE,
)
_DRIVE = re.compile(r"[a-z]:[\\/]", re.IGNORECASE)
_COLON = re.compile(_ANY_COLON, re.IGNORECASE)
_ENCODED_AT = re.compile("%(?:25)*40")
_END_OF_SEGMENT = re.compile(r"[/\\]")
_END_OF_AUTHORITY = re.compile(r"[/?#\\]")
# What comes after the @ of a login even where no scheme and no colon show that this is an address.
_HOST = re.compile(r"@(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.%]+\]|localhost)(?=[/:?#]|$)", re.IGNORECASE)
_NAMED_HOST = re.compile(r"@[\w.-]+:\d+(?=[/?#]|$)")  # only before the first slash: a path may contain "@10:00"
# A colon after the host without a port after it: the user forgot the @ after a password.
_PORT = r"(?:\d{0,4}|[1-5]\d{4}|6[0-5]\d{3})(?:[/?#]|$)"
_MALFORMED_PORT = re.compile(rf"(?:\[[^\]]*\]|[^:/?#@\[]*):(?!{_PORT})")
_LOGIN_IN_A_HEADER = re.compile(
    r"(?:authorization|cookie)\s*[:=]\s*(\S.*)|\b(?:basic|bearer|digest)\s+(\S+)", re.IGNORECASE
)
_LONGEST_USER = 40


@dataclass(frozen=True, slots=True)
class Login:
    """User and password of an address, as they are written there; either may be empty."""

    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What is secret in a text.

    Attributes:
        spans: the secrets, sorted; they may overlap.
        login: what stands before the last @, if an address has a login.
    """

    spans: tuple[Span, ...]
    login: Login | None = None


def find(text: str) -> Findings:
    """Return the secrets in a text.

    These are the text between the first colon and the last @, because a password may contain ":", "@" and "/"; a user
    without a password, which may be a token; the text after the host's colon unless it is a port; and the parameters
    of an address, except those whose names or shortness make them harmless. Placeholders are none.
    """
    filled = PLACEHOLDER.sub(lambda found: _FILLER * len(found.group()), text)
    begin, is_address = _begin(filled)
    login = _login(filled, begin, is_address)
    spans = [*_of_login(filled, login), *_of_ports(filled, login), *_of_headers(filled)]
    end = _end_of_authority(filled, begin, login) if is_address or login else begin
    spans += _parameters.find(filled, end, is_address or login is not None)
    if "@" in filled[begin:end]:
        # The last @ may belong to a parameter: then the host has ended before.
        first = _end_of_segment(_END_OF_AUTHORITY, filled, begin)
        spans += _parameters.find(filled, first, is_strict=True, words=False)
    kept = sorted(span for span in spans if filled[span.begin : span.end].strip(_FILLER))
    found = Login(text[login.begin : login.colon], text[login.password : login.at]) if login else None
    return Findings(tuple(kept), found)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a login is: user from `begin` to `colon`, password from `password` to `at`, host from `host`."""

    begin: int
    colon: int
    password: int
    at: int
    host: int


def _begin(text: str) -> tuple[int, bool]:
    """Return where user and host begin, and whether a scheme or slashes mark the text as an address."""
    names = _NAMES.match(text)
    begin = names.end() if names else 0
    head = _HEAD.search(text, begin)
    if not head:
        return begin, False
    # Not if a login has begun before: "//" may stand in a password.
    before = text[begin : head.start()]
    return (begin if _COLON.search(before) or "@" in before or _ENCODED_AT.search(before) else head.end()), True


def _login(text: str, begin: int, is_address: bool) -> _Place | None:
    at = text.rfind("@", begin)
    limit = len(text) if is_address else _end_of_first_segment(text, begin)
    colon = _COLON.search(text, begin, max(min(limit, at), begin))
    if colon:
        return _Place(begin, colon.start(), colon.end(), at, at + 1)
    # Without a colon, only an @ in the authority, or one before what must be a host, ends a login.
    end = _end_of_segment(_END_OF_AUTHORITY, text, begin)
    early = text.rfind("@", begin, end) if is_address else -1
    before_host = _HOST.search(text, begin) or _NAMED_HOST.search(text, begin, max(limit, begin))
    if early >= 0 or before_host:
        at = early if early >= 0 else before_host.start() if before_host else -1
        return _Place(begin, at, at, at, at + 1)
    return _encoded_login(text, begin, min(end, limit))


def _encoded_login(text: str, begin: int, end: int) -> _Place | None:
    """Return the place of a login that ends in an encoded @: which may belong to the password, so all else does too."""
    at = _ENCODED_AT.search(text, begin, end)
    if not at:
        return None
    colon = _COLON.search(text, begin, at.start())
    start, after = (colon.start(), colon.end()) if colon else (begin, begin)
    return _Place(begin, start, after, len(text), len(text))


def _end_of_first_segment(text: str, begin: int) -> int:
    """Return where the first segment of a text without a scheme ends: a login does not begin after it."""
    if _DRIVE.match(text, begin):
        return begin
    first = len(text) - len(text[begin:].lstrip("/\\"))
    return _end_of_segment(_END_OF_SEGMENT, text, first)


def _end_of_segment(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.search(text, begin)
    return found.start() if found else len(text)


def _end_of_authority(text: str, begin: int, login: _Place | None) -> int:
    return _end_of_segment(_END_OF_AUTHORITY, text, login.host if login else begin)


def _of_login(text: str, place: _Place | None) -> Iterator[Span]:
    if place is None:
        return
    user, password = text[place.begin : place.colon], text[place.password : place.at]
    # A user without a password, or one that looks random, is a token; one that repeats the password gives it away.
    is_shown = password and len(user) <= _LONGEST_USER and not _parameters.is_random(user)
    if not is_shown or (user and user.lower() == password.lower()):
        yield Span(place.begin, place.colon, is_certain=bool(password))
    yield Span(place.password, place.at)


def _of_ports(text: str, login: _Place | None) -> Iterator[Span]:
    """Yield what stands in the place of a port and is not one, after the login and after each scheme."""
    begins = [head.end() for head in _HEAD.finditer(text)]
    for begin in [*([login.host] if login else []), *begins]:
        malformed = _MALFORMED_PORT.match(text, begin)
        if malformed and not (login and login.begin <= begin < login.host):
            yield Span(malformed.end(), len(text))


def _of_headers(text: str) -> Iterator[Span]:
    for found in _LOGIN_IN_A_HEADER.finditer(text):
        yield Span(*found.span(found.lastindex or 0))
