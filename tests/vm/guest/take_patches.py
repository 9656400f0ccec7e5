"""Save the patches of a source's frames.

Usage: take_patches.py SOURCE WIDTHxHEIGHT COUNT OUT.npz [MODULE to import first...]

OUT.npz holds `patches` (COUNT, 32, 32, 3) uint8 RGB, `age_s` (COUNT,) seconds from capture to here, and `sizes`
(COUNT, 2) width and height of each picture.
"""

import importlib
import logging
import sys
import time

import numpy as np

for module in sys.argv[5:]:
    importlib.import_module(module)

from edge_app import sources  # noqa: E402
from edge_app.pictures import preprocess  # noqa: E402
from edge_app.records import Frame, Size  # noqa: E402
from edge_app.settings.sections import CameraOptions  # noqa: E402
from edge_app.sources import Request  # noqa: E402

SHAPE = (32, 32)
logging.basicConfig(level=logging.INFO, format="%(message)s")
selected, size, count, out = sys.argv[1:5]
width, height = map(int, size.split("x"))
request = Request(min_side_px=preprocess.min_side_px(SHAPE), camera=CameraOptions(size=Size(width, height)))
source = sources.connect(selected, request)
patches, age_s, sizes = [], [], []
for item in source:
    if isinstance(item, Frame):
        age_s.append(time.monotonic() - item.captured_s)
        patches.append(preprocess.patch(item.picture, SHAPE))
        sizes.append(item.picture.size_px)
    else:
        print("outage:", item.reason)
    if len(patches) == int(count):
        break
source.close()
np.savez(out, patches=patches, age_s=age_s, sizes=sizes)
sys.stdout.flush()
