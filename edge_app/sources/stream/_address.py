"""The address of a stream, taken apart so that its password never reaches a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from edge_app.errors import SourceError
from edge_app.system.masking import masked

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}  # RFC 7826 section 22.14, RFC 9110 section 4.2


@dataclass(frozen=True, slots=True)
class Address:
    """A URL and its parts.

    Attributes:
        url: as the user wrote it, password included; for FFmpeg alone.
        public: the same with secrets masked; for names and messages.
        bare: without user and password.
        scheme: "rtsp", "rtsps", "http" or "https".
        host: name or number.
        port: the scheme's own where the URL names none.
        user: user name, if there is one.
        password: in the clear; empty if there is none.
    """

    url: str = field(repr=False)
    public: str
    bare: str = field(repr=False)
    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)


def parse(url: str) -> Address:
    """Take a URL apart.

    Raises:
        SourceError: it names no host, or a port that is none. The text does not quote what Python says: that may
            contain a piece of the password.
    """
    public = masked(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.scheme not in DEFAULT_PORTS or not url.isprintable() or " " in url:
        raise SourceError(
            f"{public} is no address of a stream",
            "write rtsp://host:port/path or http://..., and %40, %2F, %3A for @, / and : in a password",
        )
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    user = None if parts.username is None else unquote(parts.username)
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    return Address(url, public, bare, parts.scheme, host, port, user, unquote(parts.password or ""))
