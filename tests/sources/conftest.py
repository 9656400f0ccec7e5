"""Servers for the tests of sources."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import HttpCamera, RtspCamera, why_no_rtsp


@pytest.fixture
def http_camera() -> Iterator[HttpCamera]:
    """Serve MJPEG on loopback."""
    camera = HttpCamera()
    yield camera
    camera.kill()


@pytest.fixture(scope="session")
def rtsp_ready() -> None:
    """Skip where the packages for an RTSP server are not installed."""
    problem = why_no_rtsp()
    if problem:
        pytest.skip(problem)


@pytest.fixture
def rtsp_camera(rtsp_ready: None) -> Iterator[RtspCamera]:
    """Serve RTSP on loopback."""
    camera = RtspCamera()
    yield camera
    camera.kill()
