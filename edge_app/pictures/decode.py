"""An encoded file becomes a picture."""

from __future__ import annotations

import numpy as np

from edge_app.errors import PictureError
from edge_app.pictures import _libjpeg
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.jpeg import JpegPicture
from edge_app.records import Picture


def decode_file(data: bytes) -> Picture:
    """Make a picture of an encoded file: JPEG stays lazy, anything else OpenCV reads is decoded now.

    Raises:
        PictureError: nothing OpenCV can read.
    """
    encoded = np.frombuffer(data, np.uint8)
    if data[:2] == b"\xff\xd8":
        # OpenCV 4 fills what is missing with grey and says nothing. Phones append more after the end of image.
        if b"\xff\xd9" not in data[len(data) // 2 :]:
            raise PictureError(f"a JPEG of {len(data)} bytes is cut off: it has no end")
        return JpegPicture(encoded)
    decoded = _libjpeg.decode_any(encoded) if data else None
    if decoded is None:
        raise PictureError(f"{len(data)} bytes that start with {data[:4]!r} are no picture OpenCV can read")
    return ArrayPicture(decoded, "bgr")
