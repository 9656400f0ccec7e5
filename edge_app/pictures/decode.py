"""Turns an encoded file into a picture."""

from __future__ import annotations

import numpy as np

from edge_app.errors import PictureError
from edge_app.pictures import _libjpeg
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import START_OF_IMAGE, whole_jpeg
from edge_app.records import Picture
from edge_app.system.wording import counted


def decode_file(data: bytes) -> Picture:
    """Make a picture from an encoded file: JPEG is decoded later, other formats at once.

    Raises:
        PictureError: OpenCV cannot read it, or it is a JPEG that is cut off.
    """
    encoded = np.frombuffer(data, np.uint8)
    if data.startswith(START_OF_IMAGE):
        return whole_jpeg(encoded, last_bytes=None)
    decoded = _libjpeg.decode_any(encoded) if data else None
    if decoded is None:
        raise PictureError(
            f"{counted(len(data), 'byte')} that start with {data[:4]!r} are not a picture OpenCV can read",
            "convert it to JPEG or PNG",
        )
    return ArrayPicture(decoded, "bgr")
