"""Make the webcam source take none of a camera's formats raw, as if they were all odd ones: OpenCV has to decode."""

from edge_app.sources import webcam

webcam.PREFERRED = ()
