"""The first camera found: picamera2, then webcams, otherwise the synthetic camera."""

from __future__ import annotations

import logging
from dataclasses import replace

from edge_app.errors import SourceError
from edge_app.secret import Secret
from edge_app.sources import picamera, synthetic, webcam
from edge_app.sources._contract import Found, Request, Source

log = logging.getLogger(__name__)


def connect(request: Request) -> Source:
    """Open the first camera found; if there is none, warn and use the synthetic camera.

    Raises:
        SourceError: a camera was found but cannot be opened, or none was found but one is needed.
    """
    # picamera first: a CSI camera has V4L2 nodes too, but without the ISP they give raw sensor data.
    for module in (picamera, webcam):
        cameras: list[Found] = module.discover()
        if cameras:
            _, _, argument = cameras[0].select.partition(":")
            log.info("camera found: %s (%s)", cameras[0].select, cameras[0].title)
            return module.connect(replace(request, argument=Secret(argument)))
    if request.needs_camera:
        raise SourceError("no camera found", f"plug one in, or look at 'edge-app sources'{webcam.hidden_devices()}")
    log.warning("no camera found; using the synthetic one ('edge-app sources' lists what is there)")
    return synthetic.connect(replace(request, argument=Secret("")))
