"""The one place that imports OpenCV, so that what must happen before and after that happens once."""

from __future__ import annotations

import os

from edge_app.errors import DependencyMissing, one_line

# Read once, when OpenCV loads. Its default lets a stalled camera block a read for 10 s.
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")
# Its errors reach the user as ours, in one line; its own log writes three to stderr for every damaged picture.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# FFmpeg's own log goes to stderr past every logger; its errors reach the user as ours. -8 is AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
# Qt, inside pip's OpenCV, complains of a font folder it does not need: the overlay's font is OpenCV's own.
os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")

try:
    import cv2
except (ImportError, ValueError, AttributeError) as error:  # the latter two: built for another numpy
    if "libGL" in str(error) or "libgthread" in str(error):
        hint = "run 'sudo apt install libgl1 libglib2.0-0', or install the [headless] extra instead of [desktop]"
    else:
        hint = (
            "install it with \"pip install 'edge-app[desktop]'\" (or [headless]), or 'sudo apt install python3-opencv'"
        )
    raise DependencyMissing(f"OpenCV cannot be imported ({one_line(error)})", hint) from error

# The pictures here are small: OpenCV's own threads cost more CPU than they save time.
cv2.setNumThreads(1)

__all__ = ["cv2"]
