"""Parses the address of a stream so that its password never reaches a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from edge_app.errors import SourceError
from edge_app.secret import Secret

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}  # RFC 7826 section 22.14, RFC 9110 section 4.2


@dataclass(frozen=True, slots=True)
class Address:
    """A URL and its parts.

    Attributes:
        url: as the user wrote it, password included; only for FFmpeg.
        public: the URL with secrets masked; for names and messages.
        bare: the URL without user and password.
        scheme: "rtsp", "rtsps", "http" or "https".
        host: host name or IP address.
        port: the scheme's default if the URL has none.
        user: user name, if any.
        password: in plain text; empty if there is none.
    """

    url: str = field(repr=False)
    public: str
    bare: str = field(repr=False)
    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)


def parse(source: Secret | str) -> Address:
    """Parse a URL.

    Raises:
        SourceError: it has no host, or an invalid port. The message does not quote Python's error, which may contain
            part of the password.
    """
    public, url = str(Secret.of(source)), Secret.of(source).reveal()
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if not host or parts.scheme not in DEFAULT_PORTS or not url.isprintable() or " " in url:
        raise SourceError(
            f"{public} is not the address of a stream",
            "write rtsp://host:port/path or http://..., and %40, %2F, %3A for @, / and : in a password",
        )
    # rpartition: an unescaped @ in a password must not leave its tail in the host.
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    user = None if parts.username is None else unquote(parts.username)
    port = DEFAULT_PORTS[parts.scheme] if port is None else port
    return Address(url, public, bare, parts.scheme, host, port, user, unquote(parts.password or ""))
