"""HTTP with the login from the address; failures become messages a user can act on."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.error
import urllib.request

from edge_app.errors import CameraLost, SourceError
from edge_app.sources.stream._address import Address

NETWORK_TIMEOUT_S = 2.0  # Each for the connection, the answer and a pause in the data.

_RECEIVE_BYTES = 64 << 10


def fetch(address: Address) -> http.client.HTTPResponse:
    """Request an address; log in with its user and password if the server requires that (Basic or Digest).

    Raises:
        SourceError: there is no answer, or it is an error; the message states which.
    """
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    if address.user is not None:
        passwords.add_password(None, address.bare, address.user, address.password)
    opener = urllib.request.build_opener(
        _HangUp(), urllib.request.HTTPBasicAuthHandler(passwords), urllib.request.HTTPDigestAuthHandler(passwords)
    )
    try:
        response: http.client.HTTPResponse = opener.open(address.bare, timeout=NETWORK_TIMEOUT_S)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # It holds the connection.
        raise reason(error, address) from error
    return response


class _HangUp(urllib.request.BaseHandler):
    """Closes the connection that was answered with 401: urllib opens a new one without closing it."""

    # urllib asks handlers in ascending order (Digest has 490, Basic 500), and a login that succeeds ends the chain.
    handler_order = 0

    def http_error_401(self, _request: object, answer: http.client.HTTPResponse, *_: object) -> None:
        """Close the connection, and leave the answer to the later handlers."""
        answer.close()


def reason(error: BaseException, address: Address) -> SourceError:
    """Return why a server could not be used, and what to try. The URL is quoted without its password."""
    if isinstance(error, urllib.error.HTTPError):
        return status_reason(error.code, error.reason, address)
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return reason(error.reason, address)
    for kind, what, remedy in _REASONS:
        if isinstance(error, kind):
            return SourceError(f"{address.public}: {what}", remedy)
    text = (error.strerror if isinstance(error, OSError) else None) or "the connection failed"
    return SourceError(f"{address.public}: {text}", _CHECK_NETWORK)


_CHECK_NETWORK = "check the address and the network"
# The first match applies; other errors use the text of OSError.
_REASONS: tuple[tuple[type[BaseException], str, str], ...] = (
    (TimeoutError, "timed out", _CHECK_NETWORK),
    (ConnectionRefusedError, "connection refused", "is the camera on, and the port right?"),
    (ConnectionError, "the server hung up", "check the port, and whether the server takes another client"),
    (socket.gaierror, "no such host", "check the address"),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted",
        "install the certificate, or use the plain address",
    ),
    (ssl.SSLError, "no secure connection", "does the server want the address without the s?"),
    (http.client.HTTPException, "does not answer like a web server", "check the port"),
    (ValueError, "requires a kind of login that is not supported", "choose Basic or Digest in the server's settings"),
)


def status_reason(code: int, phrase: str, address: Address) -> SourceError:
    """Explain a status code; HTTP and RTSP share these codes."""
    if code == 401 and address.user is None:
        return SourceError(f"{address.public}: wants a login (401)", f"write {address.scheme}://user:password@host/...")
    if code == 401:
        return SourceError(
            f"{address.public}: the user name or password is refused (401)",
            "check both, and write %40, %2F, %3A for @, / and : in them",
        )
    if code == 404:
        return SourceError(f"{address.public}: not found (404)", "check the path of the address")
    return SourceError(
        f"{address.public}: the server refuses: {' '.join(phrase.split())} ({code})",
        "the server's log may state the reason",
    )


def receive(response: http.client.HTTPResponse) -> bytes:
    """Return the data that has arrived, waiting for the first byte.

    Raises:
        CameraLost: no data came in time, or the connection has ended.
    """
    try:
        # read1, not read: read waits until the whole amount has arrived, so small pictures would wait for later ones.
        data = response.read1(_RECEIVE_BYTES)
    except TimeoutError as error:
        raise CameraLost(f"the server has sent nothing for {NETWORK_TIMEOUT_S:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CameraLost("the connection broke") from error
    if not data:
        raise CameraLost("the server ended the stream")
    return data
