"""Be a camera: feed_loopback.py /dev/videoN FOURCC WIDTHxHEIGHT FILE... writes the files in turn, ten a second."""

import fcntl
import itertools
import os
import struct
import sys
import time
from pathlib import Path

VIDIOC_S_FMT = 0xC0D05605  # _IOWR('V', 5, struct v4l2_format), linux/videodev2.h; 208 bytes on 64-bit machines
OUTPUT, FIELD_NONE, COLORSPACE_SRGB = 2, 1, 8

node, fourcc, size, *files = sys.argv[1:]
width, height = map(int, size.split("x"))
frames = [Path(file).read_bytes() for file in files]
stride = 2 * width if fourcc == "YUYV" else 0
pixels = (width, height, int.from_bytes(fourcc.encode(), "little"), FIELD_NONE, stride, 2 * width * height)
device = os.open(node, os.O_RDWR)
fcntl.ioctl(device, VIDIOC_S_FMT, bytearray(struct.pack("I4x7I", OUTPUT, *pixels, COLORSPACE_SRGB).ljust(208, b"\0")))
for frame in itertools.cycle(frames):
    os.write(device, frame)
    time.sleep(0.1)
