"""Make edge-app take the virtual cameras for a Raspberry Pi's, whose ISP has a second stream; they have one as well.

Both streams come in the camera's only size. picamera2 itself must not believe it: it would ask for a raw stream too.
"""

from virtual_camera import VirtualPicamera2

from edge_app.sources import picamera


class TwoStreams(VirtualPicamera2):
    """A camera with the property by which edge-app decides."""

    def _is_rpi_camera(self):
        return False

    @property
    def camera_properties(self):
        """Return the camera's own properties and that one."""
        return {**super().camera_properties, "ColorFilterArrangement": 0}


picamera._picamera2 = lambda: TwoStreams
