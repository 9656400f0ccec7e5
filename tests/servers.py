"""Real servers on loopback that play known pictures: MJPEG over HTTP in this process, RTSP in one of its own.

RTSP needs these Debian packages (no gstreamer1.0-x264 exists; x264enc is in -ugly):
python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from edge_app.pictures.opencv import cv2
from edge_app.records import Frame, Outage
from edge_app.sources import Source

PERIOD_S = 0.03
LIMIT_S = 30.0  # for what comes within seconds, on a machine that does other things too
SYSTEM_PYTHON = "/usr/bin/python3"
LOGIN = "Basic " + base64.b64encode(b"eve:pa/ss@1").decode()


def grey_jpeg(level: int, size_px: tuple[int, int] = (64, 48)) -> bytes:
    """Return a JPEG of one grey level."""
    pixels = np.full((size_px[1], size_px[0], 3), level, np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


PICTURES = [grey_jpeg(level) for level in range(0, 250, 10)]


class HttpCamera:
    """A web server that plays `PICTURES` in every dialect of MJPEG; one path each, see `_Handler`.

    It can be killed in the middle of a stream and started again on the same port.
    """

    def __init__(self) -> None:
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen, on the same port as before."""
        self.ended = threading.Event()
        self.links: list[socket.socket] = []
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.camera = self
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def kill(self) -> None:
        """Cut every connection and stop listening."""
        self.ended.set()
        self._server.shutdown()
        for link in self.links:
            with contextlib.suppress(OSError):  # Gone already.
                link.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def url(self, path: str, login: str = "") -> str:
        """Return the address of one path."""
        return f"http://{login}127.0.0.1:{self.port}{path}"


class _Server(ThreadingHTTPServer):
    camera: HttpCamera

    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    """Each path serves MJPEG in a different way."""

    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.camera.links.append(self.connection)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        """Answer."""
        play: Callable[[], None] | None = getattr(self, "play_" + self.path[1:].partition("?")[0], None)
        if play is None:
            self.send_error(404)
        else:
            play()

    def begin(self, content_type: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def pictures(self) -> Iterator[bytes]:
        for picture in itertools.cycle(PICTURES):
            yield picture
            if self.server.camera.ended.wait(PERIOD_S):
                return

    def part(self, delimiter: bytes, picture: bytes, with_length: bool = True) -> None:
        length = b"Content-Length: %d\r\n" % len(picture) if with_length else b""
        self.wfile.write(delimiter + b"\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + picture + b"\r\n")

    def play_mjpeg(self) -> None:
        """By the book."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        for picture in self.pictures():
            self.part(b"--frame", picture)

    def play_bare(self) -> None:
        """No lengths."""
        self.begin('multipart/x-mixed-replace; boundary="frame"')
        for picture in self.pictures():
            self.part(b"--frame", picture, with_length=False)

    def play_dashes(self) -> None:
        """The dashes belong to the parameter already, as many cameras have it."""
        self.begin("multipart/x-mixed-replace;boundary=--frame")
        for picture in self.pictures():
            self.part(b"--frame", picture, with_length=False)

    def play_plain(self) -> None:
        """No dashes at all."""
        self.begin("multipart/x-mixed-replace;boundary=frame")
        for picture in self.pictures():
            self.part(b"frame", picture, with_length=False)

    def play_torn(self) -> None:
        """Every third picture is cut in half."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        for index, picture in enumerate(self.pictures()):
            self.part(b"--frame", picture[: len(picture) // 2] if index % 3 == 1 else picture)

    def play_damaged(self) -> None:
        """Every picture is cut in half."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        for picture in self.pictures():
            self.part(b"--frame", picture[: len(picture) // 2])

    def play_stalls(self) -> None:
        """Ten pictures, then nothing; the connection stays."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        for picture in PICTURES[:10]:
            self.part(b"--frame", picture)
        self.server.camera.ended.wait(60)

    def play_trickles(self) -> None:
        """A picture at one byte every 50 ms."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        self.wfile.write(b"--frame\r\nContent-Length: 5000\r\n\r\n")
        while not self.server.camera.ended.wait(0.05):
            self.wfile.write(b"x")

    def play_silent(self) -> None:
        """Accept the connection and never answer."""
        self.server.camera.ended.wait(60)

    def play_endless(self) -> None:
        """Bytes without any boundary."""
        self.begin("multipart/x-mixed-replace; boundary=frame")
        while not self.server.camera.ended.is_set():
            self.wfile.write(b"\0" * (1 << 20))

    def play_snapshot(self) -> None:
        """One picture a request, a brighter one every time."""
        picture = PICTURES[len(self.server.camera.links) % len(PICTURES)]
        self.begin("image/jpeg", len(picture))
        self.wfile.write(picture)

    def play_page(self) -> None:
        """A web page."""
        self.begin("text/html; charset=utf-8", 4)
        self.wfile.write(b"<p>\n")

    def play_png(self) -> None:
        """Another kind of picture."""
        self.begin("image/png", 4)
        self.wfile.write(b"\x89PNG")

    def play_noise(self) -> None:
        """Nothing FFmpeg knows."""
        self.begin("application/octet-stream", 5000)
        self.wfile.write(bytes(range(250)) * 20)

    def play_film(self) -> None:
        """A video file, if the test has put one there."""
        data = getattr(self.server.camera, "film", b"")
        self.begin("video/x-msvideo", len(data))
        self.wfile.write(data)

    def play_login(self) -> None:
        """By the book, for those who know the password."""
        if self.headers.get("Authorization") == LOGIN:
            self.play_mjpeg()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="camera"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def play_digest(self) -> None:
        """The same with Digest (RFC 7616); that the answer names the user is proof enough here."""
        if (self.headers.get("Authorization") or "").startswith('Digest username="eve"'):
            self.play_mjpeg()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="1", qop="auth", algorithm=MD5')
        self.send_header("Content-Length", "0")
        self.end_headers()


class RtspCamera:
    """`rtsp_server.py` as a process, which can be killed, frozen and started again on the same port."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        script = Path(__file__).with_name("rtsp_server.py")
        command = [SYSTEM_PYTHON, str(script), "--port", str(self.port), *self._options]
        # What this Python needs in its environment is not for that one.
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean)
        assert self.process.stdout is not None
        is_ready, _, _ = select.select([self.process.stdout], [], [], 20)
        line = self.process.stdout.readline() if is_ready else ""
        assert line.startswith("ready "), f"the RTSP server did not start: {line!r}"
        self.port = int(line.split()[1])

    def kill(self) -> None:
        """End it without warning."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def url(self, path: str, login: str = "") -> str:
        """Return the address of one path."""
        return f"rtsp://{login}127.0.0.1:{self.port}{path}"


def why_no_rtsp() -> str | None:
    """Return what is missing for `RtspCamera`; None if nothing is."""
    if sys.platform != "linux" or not Path(SYSTEM_PYTHON).exists():
        return "needs Debian's /usr/bin/python3"
    probe = (
        "import gi; gi.require_version('Gst', '1.0'); gi.require_version('GstRtspServer', '1.0'); "
        "from gi.repository import Gst, GstRtspServer; "
        "Gst.init(None); missing = [n for n in ('x264enc', 'rtph264pay', 'jpegenc', 'videotestsrc') "
        "if not Gst.ElementFactory.find(n)]; exit('no ' + ' '.join(missing) if missing else 0)"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, text=True, env=clean, check=False)
    if done.returncode == 0:
        return None
    return f"no RTSP server ({done.stderr.strip().splitlines()[-1]}); install the packages named in tests/servers.py"


def first(source: Source, kind: type) -> Frame | Outage:
    """Return the first item of a kind; fail when it does not come.

    The time is looked at whenever the source says something, which a live one does at least once a second.
    """
    deadline_s = time.monotonic() + LIMIT_S
    for item in source:
        if isinstance(item, kind):
            return item
        assert time.monotonic() <= deadline_s, f"no {kind.__name__} within {LIMIT_S} s, but {item}"
    raise AssertionError(f"the source ended without a {kind.__name__}")
