"""Make picamera2 work without a Raspberry Pi, on the cameras of libcamera's virtual pipeline. Import before picamera2.

picamera2 0.3.38 expects of every machine and camera what these do not have; nothing here touches what edge-app uses of
it. libcamera 0.4's virtual pipeline fills in neither status nor length of a finished buffer.
"""

import mmap
import sys
from unittest.mock import MagicMock

# kms++'s bindings, for a preview on the bare display; not in Debian, and imported always.
sys.modules["pykms"] = MagicMock()

import libcamera  # noqa: E402
import picamera2  # noqa: E402
from picamera2 import picamera2 as implementation  # noqa: E402
from picamera2.allocators import LibcameraAllocator  # noqa: E402


class Mapping:
    """A buffer's memory while somebody looks at it: as long as its planes, whatever is said to be used of them."""

    def __init__(self, _, buffer, is_written):
        self.descriptor = buffer.planes[0].fd
        self.length = sum(plane.length for plane in buffer.planes)

    def __enter__(self):
        self.memory = mmap.mmap(self.descriptor, self.length)
        return self.memory

    def __exit__(self, *_):
        self.memory.close()


class Allocator(LibcameraAllocator):
    """Leaves it to libcamera to make buffers: picamera2's own have one plane, on which the virtual pipeline aborts."""

    def __init__(self, camera=None):
        super().__init__(camera)
        self.sync = Mapping


class VirtualPicamera2(implementation.Picamera2):
    """A camera without raw modes, which a virtual one refuses to list."""

    def __init__(self, number=0):
        super().__init__(number, allocator=Allocator())
        self.allocator.camera = self.camera

    def _get_raw_modes(self):
        return [{"format": "NV12", "size": (640, 480)}]


implementation.DmaAllocator = Allocator
libcamera.FrameMetadata.status = property(lambda _: libcamera.FrameMetadata.Status.Success)
picamera2.Picamera2 = VirtualPicamera2
