"""The only module that imports OpenCV, so that it is configured once, before and after loading."""

from __future__ import annotations

import os

from edge_app.errors import DependencyMissing, one_line

# OpenCV reads these when it loads. Its default lets a stalled camera block a read for 10 s.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
# We report OpenCV's errors ourselves, in one line; its own log writes three to stderr for every damaged picture.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# FFmpeg logs directly to stderr; we report its errors ourselves. -8 is AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Qt in pip's OpenCV warns about a missing font folder that is not needed: the overlay uses OpenCV's own font.
os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")

try:
    import cv2
except (ImportError, ValueError, AttributeError) as error:  # the last two: built for another numpy
    if "libGL" in str(error) or "libgthread" in str(error):
        hint = "run 'sudo apt install libgl1 libglib2.0-0', or install the [headless] extra instead of [desktop]"
    else:
        hint = (
            "install it with \"pip install 'edge-app[desktop]'\" (or [headless]), or 'sudo apt install python3-opencv'"
        )
    raise DependencyMissing(f"OpenCV cannot be imported ({one_line(error)})", hint) from error

# On pictures this small, OpenCV's threads cost more CPU time than they save.
cv2.setNumThreads(1)

__all__ = ["cv2"]
