"""One URL as a camera: MJPEG or single JPEGs over HTTP, all else (RTSP, HLS, files) through FFmpeg. See `stream`.

MJPEG pictures are passed on as the server's own bytes and decoded only as far as somebody asks. A server that
delivers single JPEGs is asked for one a second, or as often as `Request.fps` says (at least once a second).

Passwords: `rtsp://user:password@host/...`; neither the source's name nor any message repeats them.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from typing import Protocol

from edge_app._opencv import cv2
from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures import ArrayPicture
from edge_app.sources import _address
from edge_app.sources._address import Address
from edge_app.sources._base import Request
from edge_app.sources._live import Camera, Capture
from edge_app.sources._mjpeg import MAX_PART_BYTES, Multipart, as_jpeg
from edge_app.sources._pace import Pace, next_position_s, period_s

NETWORK_TIMEOUT_S = 2.0  # For a connection, an answer, and between two pieces of data.
OPEN_TIMEOUT_S = 5.0  # FFmpeg has to wait for a key frame before it knows the stream.
READ_S = 1.0  # How long one read waits for a picture while data trickles in.
POLL_S = 0.25
SNAPSHOT_FPS = 1.0  # Also the slowest: `_live` takes a camera that is silent for 2 s to be lost.
RESYNC_S = 2.0

_RECEIVE_BYTES = 64 << 10


class Reader(Protocol):
    """One connection to a server."""

    def read(self) -> Capture | None:
        """See `_live.Camera.read`."""

    def close(self) -> None:
        """Hang up."""


class Stream(Camera):
    """One URL. See `_live.Camera`.

    Raises:
        SourceError: the URL is none.
    """

    def __init__(self, request: Request, clock: Callable[[], float] = time.monotonic) -> None:
        self.address = _address.parse(request.argument)
        self._request, self._clock = request, clock
        self._reader: Reader | None = None

    def open(self) -> str:
        """Connect, and choose the reader by what the server says it sends."""
        self.close()
        self._reader = self._connect()
        return self.address.public

    def read(self) -> Capture | None:
        """Wait for the next picture, at most about two seconds."""
        if self._reader is None:
            raise CameraLost("the stream is closed")
        return self._reader.read()

    def close(self) -> None:
        """Hang up."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _connect(self) -> Reader:
        address, stop, clock = self.address, self._request.stop, self._clock
        if address.scheme in ("rtsp", "rtsps"):
            return Decoded(address, stop, clock)
        response = fetch(address)
        kind = response.headers.get_content_type() if "Content-Type" in response.headers else "unknown"
        if kind.startswith("multipart/"):
            return MjpegParts(response, clock)
        response.close()
        if kind == "image/jpeg":
            return Snapshots(address, 1 / max(self._request.fps or 0.0, SNAPSHOT_FPS), stop, clock)
        # FFmpeg would show plain text as a picture of letters; a playlist of HLS may be called plain text.
        if kind.startswith("image/") or (kind.startswith("text/") and ".m3u8" not in address.bare):
            raise SourceError(f"{address.public} is not a stream but {kind}; look for the camera's stream address")
        return Decoded(address, stop, clock)


def fetch(address: Address) -> http.client.HTTPResponse:
    """Ask for an address; log in with the password in it if the server wants that (Basic or Digest).

    Raises:
        SourceError: there is no answer, or it is an error; says which.
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
        raise SourceError(f"{address.public}: {reason(error, address)}") from error
    return response


class _HangUp(urllib.request.BaseHandler):
    """Closes the connection on which a login was asked for: urllib makes a new one and forgets the first."""

    handler_order = 0

    def http_error_401(self, _request: object, answer: http.client.HTTPResponse, *_: object) -> None:
        """Hang up, and leave the answer to the handlers behind this one."""
        answer.close()


def reason(error: BaseException, address: Address) -> str:
    """Say in one line why a server could not be used, and what to try. Never quotes the URL."""
    if isinstance(error, urllib.error.HTTPError):
        return status_reason(error.code, error.reason, address)
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, OSError):
        return reason(error.reason, address)
    for kind, text in _REASONS:
        if isinstance(error, kind):
            return text
    return (error.strerror if isinstance(error, OSError) else None) or "the connection failed"


# The first that fits; OSError's own text serves for the rest.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timed out; check the address and the network"),
    (ConnectionRefusedError, "connection refused; is the camera on, and the port right?"),
    (ConnectionError, "the server hung up"),
    (socket.gaierror, "no such host; check the address"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted; install the certificate, or use the plain address"),
    (ssl.SSLError, "no secure connection; does the server want the address without the s?"),
    (http.client.HTTPException, "does not answer like a web server; check the port"),
    (ValueError, "wants a kind of login that is not supported (Basic and Digest are)"),
)


def status_reason(code: int, phrase: str, address: Address) -> str:
    """Explain a status code of HTTP or RTSP, which share them."""
    if code == 401 and address.user is None:
        return f"wants a login (401); write {address.scheme}://user:password@host/..."
    if code == 401:
        return "the user name or password is refused (401)"
    if code == 404:
        return "not found (404); check the path of the address"
    return f"the server refuses: {phrase} ({code})"


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
        return Capture(as_jpeg(self._waiting.popleft()), self._clock())

    def close(self) -> None:
        """Hang up."""
        self._response.close()


def receive(response: http.client.HTTPResponse) -> bytes:
    """Return what has arrived, waiting for the first byte of it.

    Raises:
        CameraLost: nothing came in time, or nothing will.
    """
    try:
        data = response.read1(_RECEIVE_BYTES)
    except TimeoutError as error:
        raise CameraLost(f"the server has sent nothing for {NETWORK_TIMEOUT_S:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CameraLost("the connection broke") from error
    if not data:
        raise CameraLost("the server ended the stream")
    return data


class Snapshots:
    """The pictures of a server that delivers one per request.

    Args:
        address: whom to ask.
        period_s: seconds from one request to the next.
        stop: ends the waiting between them.
        clock: monotonic seconds.
    """

    def __init__(self, address: Address, period_s: float, stop: threading.Event, clock: Callable[[], float]) -> None:
        self._address, self._period_s, self._stop, self._clock = address, period_s, stop, clock
        self._due_s = clock()

    def read(self) -> Capture | None:
        """Ask for one picture when it is time; wait a little otherwise."""
        early_s = self._due_s - self._clock()
        if early_s > 0 and (self._stop.wait(min(early_s, POLL_S)) or early_s > POLL_S):
            return None
        asked_s = self._clock()
        self._due_s = max(self._due_s + self._period_s, asked_s)
        try:
            with fetch(self._address) as response:
                data = self._body(response, asked_s + NETWORK_TIMEOUT_S)
        except SourceError as error:
            raise CameraLost(str(error)) from error
        return Capture(as_jpeg(data), asked_s)

    def close(self) -> None:
        """Do nothing: every request has its own connection."""

    def _body(self, response: http.client.HTTPResponse, deadline_s: float) -> bytes:
        data = bytearray()
        while not response.isclosed() and (response.length is None or response.length > 0):
            try:
                data += receive(response)
            except CameraLost:
                if response.length is not None or not data:
                    raise
                break  # Without a Content-Length the end of the connection is the end of the picture.
            if len(data) > MAX_PART_BYTES or self._clock() > deadline_s:
                raise CameraLost(f"the server needs too long for a picture ({len(data)} bytes so far)")
        return bytes(data)


class Decoded:
    """The pictures of a stream that FFmpeg takes apart.

    Args:
        address: whom to ask; over HTTP (HLS, files) the pictures are given out at the stream's own pace, because the
            data comes in bursts of many seconds, which would look like outages.
        stop: ends waiting.
        clock: monotonic seconds.

    Raises:
        SourceError: there is no stream, or none FFmpeg can read.
    """

    def __init__(self, address: Address, stop: threading.Event, clock: Callable[[], float]) -> None:
        # OpenCV reads this at every opening. Over UDP, FFmpeg's own choice, a Pi on wireless loses packets.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        self._stop, self._clock = stop, clock
        self._capture = cv2.VideoCapture(address.url, cv2.CAP_FFMPEG, _OPENING)
        if not self._capture.isOpened():
            self._capture.release()
            raise SourceError(f"{address.public}: {refusal(address)}")
        self._pace = Pace(clock) if address.scheme in ("http", "https") else None
        self._period_s = period_s(self._capture.get(cv2.CAP_PROP_FPS))
        self._position_s = -self._period_s

    def read(self) -> Capture | None:
        """Decode the next picture."""
        if not self._capture.grab():
            raise CameraLost("the stream ended, or sends nothing")
        captured_s = self._clock()
        if self._pace is not None:
            captured_s += self._wait(self._pace)
        is_good, pixels = self._capture.retrieve()
        if not is_good or pixels is None:
            raise PictureError("a picture of the stream cannot be decoded")
        return Capture(ArrayPicture(pixels, "bgr"), captured_s)

    def close(self) -> None:
        """Hang up."""
        self._capture.release()

    def _wait(self, pace: Pace) -> float:
        """Wait until the picture is due and return how long, in seconds."""
        self._position_s = next_position_s(self._capture.get(cv2.CAP_PROP_POS_MSEC), self._position_s, self._period_s)
        delay_s = pace.delay_s(self._position_s)
        if abs(delay_s) > RESYNC_S:  # A jump in the stream's clock, or the network stood still.
            self._pace = Pace(self._clock)
            return 0.0
        self._stop.wait(max(delay_s, 0.0))
        return max(delay_s, 0.0)


_OPENING = [
    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
    int(OPEN_TIMEOUT_S * 1e3),
    cv2.CAP_PROP_READ_TIMEOUT_MSEC,
    int(NETWORK_TIMEOUT_S * 1e3),
]
if hasattr(cv2, "CAP_PROP_N_THREADS"):  # Absent in the OpenCV 4.6 of Debian 12.
    # FFmpeg's H.264 decoder is one frame late for every thread it has. Age of a 20 frames/s picture, measured:
    # 0.20 s with one thread, 0.23 with two, 0.35 with four, the default on a Pi. Two leave a reserve at 1080p.
    _OPENING += [cv2.CAP_PROP_N_THREADS, 2]


def refusal(address: Address) -> str:
    """Find out why FFmpeg, which does not tell, could not open a stream: ask the server ourselves."""
    answer = b""
    try:
        with socket.create_connection((address.host, address.port), timeout=NETWORK_TIMEOUT_S) as link:
            link.settimeout(NETWORK_TIMEOUT_S)
            if address.scheme == "rtsp":
                link.sendall(f"DESCRIBE {address.bare} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
                answer = link.recv(4096)
    except OSError as error:
        return reason(error, address)
    status = re.match(rb"RTSP/\d\.\d (\d{3}) ?([^\r\n]*)", answer)
    if status and status.group(1) != b"200":
        return status_reason(int(status.group(1)), status.group(2).decode("latin-1"), address)
    if address.scheme == "rtsp" and not status:
        return "does not answer like an RTSP server; check the port"
    return f"the server answers, but with no video that can be decoded within {OPEN_TIMEOUT_S:g} s"
