from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_app import sources
from edge_app.errors import CameraLost, PictureError, SourceError
from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.records import Frame, Outage
from edge_app.secret import masked
from edge_app.sources import Capture, Request, Source
from edge_app.sources.stream import _address, _http, _multipart
from edge_app.sources.stream._camera import Stream
from edge_app.sources.stream._http import fetch, reason
from edge_app.sources.stream._parts import READ_S
from tests.asking import request_for
from tests.clocks import ClocksStop, FakeClock
from tests.servers import LIMIT_S, PICTURES, HttpCamera, RtspCamera, first

Open = Callable[[str], Source]


@pytest.fixture
def open_stream() -> Iterator[Open]:
    """Connect, and close at the end whatever happens."""
    opened: list[Source] = []

    def connect(url: str) -> Source:
        opened.append(sources.connect(url, Request()))
        return opened[-1]

    yield connect
    for source in opened:
        source.close()


def grey(frame: Frame | Outage) -> float:
    """Return the mean grey level of a frame."""
    assert isinstance(frame, Frame)
    return float(frame.picture.rgb().mean())


# --- MJPEG over HTTP ---


@pytest.mark.parametrize("dialect", ["/mjpeg", "/bare", "/dashes", "/plain"])
def test_every_dialect_of_mjpeg_gives_pictures(http_camera: HttpCamera, open_stream: Open, dialect: str) -> None:
    """With or without lengths and dashes, pictures arrive whole, in order and undecoded."""
    source = open_stream(http_camera.url(dialect))
    frames = [first(source, Frame) for _ in range(8)]
    assert all(isinstance(frame, Frame) and isinstance(frame.picture, JpegPicture) for frame in frames)
    assert [frame.index for frame in frames] == sorted({frame.index for frame in frames})
    for frame in frames:
        assert grey(frame) == pytest.approx(10 * (frame.index % len(PICTURES)), abs=1)
    assert source.is_live and source.is_sequence


def test_a_stream_survives_the_death_of_its_server(http_camera: HttpCamera, open_stream: Open) -> None:
    """A killed server is an outage, a new one on the same port gives frames again; same source."""
    source = open_stream(http_camera.url("/mjpeg"))
    first(source, Frame)
    http_camera.kill()
    outage = first(source, Outage)
    assert "refused" in outage.reason or "ended" in outage.reason or "broke" in outage.reason
    http_camera.start()
    again = first(source, Frame)
    assert again.captured_s > outage.since_s


def test_a_stalled_server_is_an_outage(http_camera: HttpCamera, open_stream: Open) -> None:
    """A connection that stays open and says nothing is an outage that began with the last picture."""
    source = open_stream(http_camera.url("/stalls"))
    frame = first(source, Frame)
    outage = first(source, Outage)
    assert isinstance(frame, Frame) and isinstance(outage, Outage)
    assert frame.captured_s <= outage.since_s < outage.observed_s


def test_a_read_returns_in_time_while_bytes_trickle(http_camera: HttpCamera) -> None:
    """Data that comes byte by byte does not hold a read for more than a second and a piece."""
    clock = Ticking()
    camera = Stream(Request(argument=http_camera.url("/trickles")), clock)
    camera.open()
    started_s = clock.now_s
    assert camera.read() is None
    assert clock.now_s - started_s < READ_S + 3 * Ticking.STEP_S
    camera.close()


class Ticking(FakeClock):
    """A clock that advances a quarter of a second at each call, as if each piece of a picture took that long."""

    STEP_S = 0.25

    def __call__(self) -> float:
        self.now_s += self.STEP_S
        return self.now_s


def test_torn_pictures_are_counted_and_the_others_arrive(http_camera: HttpCamera, open_stream: Open) -> None:
    """Only the torn part is lost: it is dropped and counted, and no frame shows half a picture."""
    source = open_stream(http_camera.url("/torn"))
    frames = [first(source, Frame) for _ in range(10)]
    assert all(np.ptp(frame.picture.rgb()) <= 2 for frame in frames if isinstance(frame, Frame))
    assert source.dropped >= 4


def test_the_reader_says_that_a_part_is_torn(http_camera: HttpCamera) -> None:
    """A part that is not a whole JPEG is a PictureError, and the next read goes on."""
    camera = Stream(Request(argument=http_camera.url("/torn")))
    camera.open()
    assert camera.read() is not None
    with pytest.raises(PictureError, match="incomplete JPEG"):
        camera.read()
    assert camera.read() is not None
    camera.close()


def test_bytes_without_a_boundary_do_not_fill_the_memory(http_camera: HttpCamera) -> None:
    """A server that sends anything but parts is given up after 64 kB of headers or 16 MB of part."""
    camera = Stream(Request(argument=http_camera.url("/endless")))
    camera.open()
    with pytest.raises(CameraLost, match="something other than MJPEG"):
        camera.read()
    camera.close()
    parser = _multipart.Multipart("frame")
    assert parser.feed(b"--frame\r\n\r\n") == []
    with pytest.raises(CameraLost, match="without a boundary"):
        for _ in range(18):
            parser.feed(b"\0" * (1 << 20))
    with pytest.raises(CameraLost, match="announces a picture of 99999999 bytes"):
        _multipart.Multipart("frame").feed(b"--frame\r\nContent-Length: 99999999\r\n\r\n")


def test_single_pictures_are_asked_for_again(http_camera: HttpCamera) -> None:
    """A server of single JPEGs is polled at the rate the run asks for, and each time there is a new picture."""
    captures = captured(http_camera.url("/snapshot"), 5, fps=20)
    assert len({capture.picture.rgb().mean() for capture in captures}) == 5
    assert np.diff([capture.captured_s for capture in captures]) == pytest.approx(0.05)


def captured(url: str, count: int, fps: float | None = None) -> list[Capture]:
    """Read pictures of a stream on a clock that passes only while the stream waits for it."""
    clock = FakeClock()
    camera = Stream(request_for(url, fps=fps, stop=ClocksStop(clock)), clock)
    camera.open()
    found: list[Capture] = []
    while len(found) < count:
        capture = camera.read()
        found += [capture] if capture else []
    camera.close()
    return found


def test_a_video_on_a_web_server_plays_at_its_own_pace(http_camera: HttpCamera, tmp_path: Path) -> None:
    """What FFmpeg reads over HTTP comes at the stream's own times, not in bursts."""
    http_camera.film = film(tmp_path / "film.avi", frames=20, fps=20)  # type: ignore[attr-defined]
    captures = captured(http_camera.url("/film"), 10)
    assert np.diff([capture.captured_s for capture in captures]) == pytest.approx(0.05, abs=1e-3)


def film(path: Path, frames: int, fps: float) -> bytes:
    """Write a small video and return its bytes."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps, (64, 48))
    for index in range(frames):
        writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
    writer.release()
    return path.read_bytes()


# --- Servers that are none ---


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nothing", "not found (404)"),
        ("/page", "not a stream but text/html"),
        ("/png", "not a stream but image/png"),
        ("/noise", "no decodable video"),
        ("/login", "wants a login (401)"),
        ("/silent", "timed out"),
    ],
)
def test_what_is_no_stream_is_refused_at_once(http_camera: HttpCamera, path: str, expected: str) -> None:
    """A first opening that fails ends with one line that names the address and the reason."""
    with pytest.raises(SourceError) as caught:
        sources.connect(http_camera.url(path), Request())
    assert expected in str(caught.value)
    assert http_camera.url(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_closed_port_is_named(scheme: str) -> None:
    """A refused connection is reported as such for every protocol."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SourceError, match="connection refused"):
        sources.connect(f"{scheme}://127.0.0.1:{port}/", Request())


def test_an_unknown_host_and_a_wrong_protocol_are_named(http_camera: HttpCamera) -> None:
    """A host that does not exist, a web server asked for RTSP, and plain HTTP asked for TLS are told apart."""
    with pytest.raises(SourceError, match="no such host"):
        sources.connect("http://camera.invalid/stream", Request())
    with pytest.raises(SourceError, match="does not answer like an RTSP server"):
        sources.connect(f"rtsp://127.0.0.1:{http_camera.port}/", Request())
    with pytest.raises(SourceError, match="without the s"):
        sources.connect(f"https://127.0.0.1:{http_camera.port}/mjpeg", Request())


@pytest.mark.parametrize("url", ["http://", "rtsp://host:port/", "http://[::1/", "http://host/a b", "stream:cam"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """A malformed address is a SourceError, not a traceback."""
    with pytest.raises(SourceError, match="not the address of a stream"):
        sources.connect(url, Request())


# --- Passwords ---


@pytest.mark.parametrize("path", ["/login", "/digest"])
def test_the_password_of_the_address_opens_the_stream_and_appears_nowhere(
    http_camera: HttpCamera, open_stream: Open, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Basic and Digest work; names, outages, threads and logs do not contain the password."""
    caplog.set_level(logging.DEBUG)
    source = open_stream(http_camera.url(path, "eve:pa%2Fss%401@"))
    first(source, Frame)
    http_camera.kill()
    outage = first(source, Outage)
    http_camera.start()
    first(source, Frame)
    said = [source.name, str(outage), caplog.text, *(thread.name for thread in threading.enumerate())]
    assert not any("pa%2Fss" in text or "pa/ss" in text for text in said)
    assert source.name == http_camera.url(path, "eve:***@")


def test_a_wrong_password_is_told_without_repeating_it(http_camera: HttpCamera) -> None:
    """A refused login says so."""
    with pytest.raises(SourceError, match=r"eve:\*\*\*@.*refused \(401\)") as caught:
        sources.connect(http_camera.url("/login", "eve:guess@"), Request())
    assert "guess" not in repr(caught.value)


@given(
    user=st.text("abcXYZ019._-", min_size=0, max_size=5),
    password=st.text("secretXYZ/@:?#%&=!", min_size=1, max_size=8).map(lambda text: "Q7" + text + "7Q"),
    rest=st.sampled_from(["", "/", "/a@b", ":8554/x?y=1", "/?user=a&x=y@z"]),
)
def test_no_password_survives_masking(user: str, password: str, rest: str) -> None:
    """However a URL with a password is malformed, neither masked address nor error shows the password's start."""
    url = f"rtsp://{user}:{password}@host{rest}"
    assert "Q7" not in masked(url)
    try:
        assert "Q7" not in repr(_address.parse(url))
    except SourceError as error:
        assert "Q7" not in str(error)


@pytest.mark.parametrize("url", ["rtsp://cam:8554/live", "http://cam/a@b", "http://[::1]:80/x?q=1"])
def test_an_address_without_a_password_is_named_as_it_is(url: str) -> None:
    """Masking changes nothing else."""
    assert _address.parse(url).public == url


def test_reasons_never_quote_what_python_says_about_a_url() -> None:
    """An unforeseen error of the network library is told in general words, as its text may quote the address."""
    address = _address.parse("http://eve:hunter2@cam/")
    assert "hunter2" not in str(reason(ValueError("nonsense in http://eve:hunter2@cam/"), address))
    assert reason(OSError(113, "No route to host"), address).what == f"{address.public}: No route to host"
    with pytest.raises(SourceError, match="refused"):
        fetch(dataclasses.replace(address, bare="http://127.0.0.1:9/"))


# --- The multipart parser ---


@st.composite
def cut_up_bodies(draw: st.DrawFn) -> tuple[str, list[bytes], list[bytes]]:
    """Draw a dialect, the parts of a body in it, and the body in pieces."""
    parameter, delimiter = draw(st.sampled_from([("frame", b"--frame"), ("--frame", b"--frame"), ("frame", b"frame")]))
    with_length, newline = draw(st.booleans()), draw(st.sampled_from([b"\r\n", b"\n"]))
    parts = draw(st.lists(st.binary(max_size=40).map(lambda data: b"\xff\xd8" + data + b"\xff\xd9"), max_size=5))
    body = b""
    for part in parts:
        length = b"content-length:%d" % len(part) + newline if with_length else b""
        body += newline + delimiter + newline + b"Content-Type: image/jpeg" + newline + length + newline + part
    body += newline + delimiter
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=8)))
    return parameter, parts, [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]


@given(cut_up_bodies())
def test_how_a_body_is_cut_up_does_not_matter(drawn: tuple[str, list[bytes], list[bytes]]) -> None:
    """The parts come out as they went in, whatever the network does to the packets."""
    parameter, parts, pieces = drawn
    parser = _multipart.Multipart(parameter)
    assert [part for piece in pieces for part in parser.feed(piece)] == parts


@given(st.lists(st.binary(max_size=200), max_size=20), st.sampled_from(["frame", "", "--", "-", "é("]))
def test_the_parser_survives_anything(pieces: list[bytes], boundary: str) -> None:
    """Arbitrary bytes give parts or nothing, never another error than CameraLost."""
    parser = _multipart.Multipart(boundary)
    for piece in pieces:
        try:
            parser.feed(piece)
        except CameraLost:
            return


def test_headers_before_the_first_boundary_are_understood() -> None:
    """Some firmware sends the first part's headers without a boundary before them."""
    part = b"Content-Type: image/jpeg\r\nContent-Length: 4\r\n\r\n\xff\xd8\xff\xd9\r\n--x\r\n"
    assert _multipart.Multipart("x").feed(part + part) == [b"\xff\xd8\xff\xd9"] * 2


# --- RTSP ---


@pytest.mark.parametrize("path", ["/h264", "/jpeg"])
def test_rtsp_gives_pictures(rtsp_camera: RtspCamera, open_stream: Open, path: str) -> None:
    """H.264 and JPEG over RTSP arrive as pictures of the right size, in colour and in order."""
    source = open_stream(rtsp_camera.url(path))
    frames = [first(source, Frame) for _ in range(5)]
    assert [frame.picture.size_px for frame in frames if isinstance(frame, Frame)] == [(320, 240)] * 5
    times_s = [frame.captured_s for frame in frames if isinstance(frame, Frame)]
    assert times_s == sorted(times_s)
    assert isinstance(frames[-1], Frame)
    # GStreamer's test picture has a yellow bar beside a white one at the top left.
    red, green, blue = frames[-1].picture.rgb()[60, 68]
    assert red > 150 and green > 150 and blue < 100


def test_rtsp_survives_the_death_of_its_server(rtsp_camera: RtspCamera, open_stream: Open) -> None:
    """A killed server is an outage, a new one on the same port gives frames again; same source."""
    source = open_stream(rtsp_camera.url("/h264"))
    first(source, Frame)
    rtsp_camera.kill()
    assert first(source, Outage)
    rtsp_camera.start()
    assert first(source, Frame)


def test_a_frozen_rtsp_server_is_an_outage(rtsp_camera: RtspCamera, open_stream: Open) -> None:
    """A server that keeps the connection and stops sending is an outage, and used again when it goes on."""
    source = open_stream(rtsp_camera.url("/h264"))
    first(source, Frame)
    os.kill(rtsp_camera.process.pid, signal.SIGSTOP)
    try:
        assert first(source, Outage)
    finally:
        os.kill(rtsp_camera.process.pid, signal.SIGCONT)
    assert first(source, Frame)


def test_rtsp_says_what_is_wrong(rtsp_camera: RtspCamera) -> None:
    """A path that does not exist is reported as such, though FFmpeg is silent."""
    with pytest.raises(SourceError, match=r"not found \(404\)"):
        sources.connect(rtsp_camera.url("/nothing"), Request())


def test_rtsp_logs_in(rtsp_ready: None) -> None:
    """User and password of the address are used; without or with wrong ones the refusal is told."""
    camera = RtspCamera("--login", "eve:hunter2")
    try:
        with pytest.raises(SourceError, match=r"wants a login \(401\)"):
            sources.connect(camera.url("/jpeg"), Request())
        with pytest.raises(SourceError, match=r"eve:\*\*\*@127.*refused \(401\)"):
            sources.connect(camera.url("/jpeg", "eve:guess@"), Request())
        source = sources.connect(camera.url("/jpeg", "eve:hunter2@"), Request())
        assert first(source, Frame)
        assert "hunter2" not in source.name
        source.close()
    finally:
        camera.kill()


def test_rtsp_plays_the_pictures_it_is_given(rtsp_ready: None, tmp_path: Path) -> None:
    """Known pictures come through the whole chain with their colours."""
    orange = np.full((240, 320, 3), (0, 128, 255), np.uint8)
    for index in range(5):
        cv2.imwrite(str(tmp_path / f"{index:03d}.jpg"), orange)
    camera = RtspCamera("--pictures", str(tmp_path / "%03d.jpg"))
    try:
        source = sources.connect(camera.url("/h264"), Request())
        frame = first(source, Frame)
        assert isinstance(frame, Frame)
        assert frame.picture.rgb().mean((0, 1)) == pytest.approx([255, 128, 0], abs=8)
        source.close()
    finally:
        camera.kill()


# --- Stopping ---


@pytest.mark.parametrize("path", ["/mjpeg", "/snapshot", "/stalls"])
def test_a_stop_ends_the_iteration_whatever_the_network_does(
    http_camera: HttpCamera, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop is obeyed at once: the iteration waits for nothing that the server keeps back."""
    monkeypatch.setattr(_http, "NETWORK_TIMEOUT_S", 10 * LIMIT_S)
    request = Request()
    with sources.connect(http_camera.url(path), request) as source:
        first(source, Frame)
        iterating = threading.Thread(target=lambda: list(source), daemon=True)
        iterating.start()
        request.stop.set()
        iterating.join(LIMIT_S)
        assert not iterating.is_alive()
