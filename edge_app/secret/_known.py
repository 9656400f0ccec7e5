"""The secrets this process knows, and how they are taken out of a text, in every spelling a server may give them.

They are kept for the whole process, because a traceback or a server's answer can turn up anywhere, far from the
settings. There are few: those of the command line, the environment, the settings, and the sources opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_app.secret.masking import Findings

HIDDEN = "***"
_MOST = 256  # A script may open cameras for ever; the oldest is forgotten.
_SHORTEST = 3  # Shorter ones cannot be told from any other text.
_SAFE_ANYWHERE = 5  # From this length on, a secret is also taken out of the middle of a word.
# A text of these cannot hold a secret, and most settings are such: nothing else need be loaded for them.
_PLAIN = re.compile(r"(?!//)(?:[\w.,-]+/?)*")
_SEPARATORS = re.compile(r"[@:/?#&;,\s]+|[^\x00-\x7f]+")
_ANY = "surrogatepass"  # Words of a command line may hold bytes that are no text.
_PERHAPS_A_NAME = re.compile(r"[A-Za-z]{1,11}")
_WORD = re.compile(r"[a-z]{1,7}")  # A part of a secret that may be any word.

_patterns: dict[str, re.Pattern[str]] = {}


def masked(text: str) -> str:
    """Return a text with each secret in it replaced by ***, and make those secrets known to `scrubbed`."""
    if _PLAIN.fullmatch(text):
        return text
    from edge_app.secret import masking

    found = masking.find(text)
    if not found.spans:
        return text
    shown = _hide(text, ((span.begin, span.end) for span in found.spans))
    pattern = _patterns.pop(text, None) or _pattern(text, found)
    if pattern is None:
        return shown
    _keep(text, pattern)
    # Where a user or host repeats the password, the masked address must not give it away.
    return pattern.sub(HIDDEN, shown)


def _keep(text: str, pattern: re.Pattern[str]) -> None:
    while len(_patterns) >= _MOST:
        _patterns.pop(next(iter(_patterns)), None)
    _patterns[text] = pattern


def masked_value(value: Any) -> Any:
    """Return a value with all its texts masked: a text, a list or a table; others stay. See `masked`."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, list | tuple):
        return [masked_value(part) for part in value]
    if isinstance(value, dict):
        return {masked_value(key): masked_value(part) for key, part in value.items()}
    return value


def remember(secret: str) -> None:
    """Make a text known that is secret as a whole; of an address, only the secrets in it."""
    if "://" in secret:
        masked(secret)
    elif secret not in _patterns:
        from edge_app.secret.masking import Findings, Login, Span

        pattern = _pattern(secret, Findings((Span(0, len(secret)),), Login("", secret)))
        if pattern is not None:
            _keep(secret, pattern)


def know(*texts: str) -> None:
    """Make the secrets in texts known to `scrubbed` that are nobody's setting, such as words in the wrong place."""
    for text in texts:
        masked(text)


def scrubbed(text: str) -> str:
    """Return a text without any known secret, be it as it is, percent-encoded, escaped, or a login in base64."""
    # All are looked for before any is taken out: a short one may be part of a long one.
    spans = sorted(found.span() for pattern in list(_patterns.values()) for found in pattern.finditer(text))
    return _hide(text, spans) if spans else text


def _hide(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Return a text with *** for each span, sorted; overlapping spans become one."""
    shown, end = "", -1
    for begin, stop in spans:
        if begin > end:
            shown += f"{text[max(end, 0) : begin]}{HIDDEN}"
        end = max(end, stop)
    return shown + text[max(end, 0) :]


def scrub_error(error: BaseException) -> None:
    """Take the known secrets out of an exception's texts, and cut off causes that still quote one."""
    error.args = tuple(scrubbed(part) if isinstance(part, str) else part for part in error.args)
    cause = error.__cause__ or error.__context__
    if cause is None:
        return
    scrub_error(cause)
    if scrubbed(str(cause)) != str(cause):
        error.__cause__ = error.__context__ = None


def _pattern(text: str, found: Findings) -> re.Pattern[str] | None:
    parts = {spelling for part in _parts(text, found) for spelling in _spellings(part)}
    parts |= set(_logins(found))
    choices = [_choice(part) for part in sorted(parts, key=len, reverse=True) if len(part) >= _SHORTEST]
    return re.compile("|".join(choices), re.IGNORECASE) if choices else None


def _choice(part: str) -> str:
    if len(part) >= _SAFE_ANYWHERE:
        return re.escape(part)
    return rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])"


def _parts(text: str, found: Findings) -> Iterator[str]:
    """Yield each secret, and its parts between separators and foreign letters.

    A library that misreads an address quotes only a part, and a server may spoil what is not ASCII.
    """
    from urllib.parse import unquote

    for span in found.spans:
        secret = text[span.begin : span.end].lstrip("&;?#/_,")
        if not span.is_certain and _PERHAPS_A_NAME.fullmatch(secret):
            continue  # which messages need
        yield secret
        for whole in (secret, unquote(secret)):
            yield from (part for part in _SEPARATORS.split(whole) if not _WORD.fullmatch(part))


def _spellings(secret: str) -> Iterator[str]:
    import html
    import json
    from urllib.parse import quote, quote_plus, unquote

    decoded = unquote(secret)
    for plain in {secret, decoded, unquote(decoded), re.sub("/+", "/", secret)}:
        escaped = (repr(plain)[1:-1], ascii(plain)[1:-1], json.dumps(plain)[1:-1], html.escape(plain))
        once = quote(plain, safe="", errors=_ANY)
        yield from (plain, *escaped, once, quote(once, safe=""))
        yield from (quote(plain, errors=_ANY), quote_plus(plain, errors=_ANY))
        yield plain.encode("utf-8", _ANY).decode("latin-1")  # as http.client reads UTF-8


def _logins(found: Findings) -> Iterator[str]:
    """Yield a login as HTTP's Basic authentication and some tokens write it; RFC 7617."""
    if not found.login:
        return
    import base64
    from urllib.parse import unquote

    user, password = found.login.user, found.login.password
    for one, other in ((user, password), (unquote(user), unquote(password))):
        for login in (f"{one}:{other}", other):
            if len(login) > _SHORTEST:
                data = login.encode("utf-8", _ANY)
                yield base64.b64encode(data).decode().rstrip("=")
                yield base64.urlsafe_b64encode(data).decode().rstrip("=")
