"""The first camera there is: picamera2, then a webcam, else the synthetic camera."""

from __future__ import annotations

import logging
from dataclasses import replace

from edge_app.errors import SourceError
from edge_app.sources import picamera, synthetic, webcam
from edge_app.sources._contract import Found, Request, Source

log = logging.getLogger(__name__)


def connect(request: Request) -> Source:
    """Open the first camera that is found; say so when none is and the synthetic one is used.

    Raises:
        SourceError: a camera was found and cannot be opened; or none was, and one is needed.
    """
    for module in (picamera, webcam):
        cameras: list[Found] = module.discover()
        if cameras:
            _, _, argument = cameras[0].select.partition(":")
            log.info("camera found: %s (%s)", cameras[0].select, cameras[0].title)
            return module.connect(replace(request, argument=argument))
    if request.needs_camera:
        raise SourceError("no camera found", f"plug one in, or look at 'edge-app sources'{webcam.hidden_devices()}")
    log.warning("no camera found; using the synthetic one ('edge-app sources' lists what is there)")
    return synthetic.connect(replace(request, argument=""))
