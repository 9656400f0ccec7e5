"""Streams decoded by FFmpeg: RTSP, HLS, files over HTTP."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable

from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.opencv import cv2
from edge_app.sources._live import Capture
from edge_app.sources._pace import Pace, next_position_s, period_s
from edge_app.sources.stream._address import Address
from edge_app.sources.stream._http import NETWORK_TIMEOUT_S, reason, status_reason

OPEN_TIMEOUT_S = 5.0  # FFmpeg must wait for a key frame before the stream is open.
# Seconds off schedule beyond which the schedule is wrong, not the picture; pacing then starts anew.
RESYNC_S = 2.0


class Decoded:
    """The pictures of a stream decoded by FFmpeg.

    Args:
        address: the server; over HTTP (HLS, files), pictures are returned at the stream's own rate, because the data
            arrives in bursts of many seconds with gaps that would look like outages.
        stop: ends waiting.
        clock: monotonic seconds.

    Raises:
        SourceError: there is no stream, or FFmpeg cannot read it.
    """

    def __init__(self, address: Address, stop: threading.Event, clock: Callable[[], float]) -> None:
        # OpenCV reads this at every opening. Over UDP, FFmpeg's default, a Pi on Wi-Fi loses packets.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        self._stop, self._clock = stop, clock
        self._capture = cv2.VideoCapture(address.url, cv2.CAP_FFMPEG, _OPENING)
        if not self._capture.isOpened():
            self._capture.release()
            raise refusal(address)
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
        """Wait until the picture is due and return the seconds waited."""
        self._position_s = next_position_s(self._capture.get(cv2.CAP_PROP_POS_MSEC), self._position_s, self._period_s)
        delay_s = pace.delay_s(self._position_s)
        if abs(delay_s) > RESYNC_S:  # The stream's clock jumped, or the network stalled.
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
    # FFmpeg's H.264 decoder adds one frame of delay per thread. Measured age of a picture at 20 frames/s: 0.20 s with
    # one thread, 0.23 s with two, 0.35 s with four, the default on a Pi. Two leave a reserve at 1080p.
    _OPENING += [cv2.CAP_PROP_N_THREADS, 2]


def refusal(address: Address) -> SourceError:
    """Ask the server why FFmpeg could not open a stream: FFmpeg does not report the reason."""
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
        return SourceError(f"{address.public}: does not answer like an RTSP server", "check the port")
    return SourceError(
        f"{address.public}: the server answers, but sends no decodable video within {OPEN_TIMEOUT_S:g} s",
        "check the path of the address, or choose H.264 in the camera's settings",
    )
