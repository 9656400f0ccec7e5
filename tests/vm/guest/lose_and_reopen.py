"""Lose a picamera2 camera by waiting too shortly for a frame, and reopen it: lose_and_reopen.py TIMES."""

import sys
import time

import virtual_camera  # noqa: F401

from edge_app.errors import CameraLost
from edge_app.records import Size
from edge_app.settings.sections import CameraOptions
from edge_app.sources import Request, picamera

times = int(sys.argv[1])
camera = picamera.Picamera(Request(CameraOptions(size=Size(640, 480))))
patient_s = picamera.WAIT_S
objects, lost, runs = set(), 0, 0
for turn in range(times + 1):
    started_s = time.monotonic()
    camera.open()
    objects.add(id(camera._camera))
    sizes = [camera.read().picture.size_px for _ in range(5)]
    runs += sizes == [(640, 480)] * 5
    print(f"open and 5 frames in {time.monotonic() - started_s:.2f} s")
    if turn < times:
        picamera.WAIT_S = 1e-6
        try:
            for _ in range(100):
                camera.read()
        except CameraLost as error:
            lost += 1
            print(f"lost: {error}")
        picamera.WAIT_S = patient_s
    started_s = time.monotonic()
    camera.close()
    print(f"closed in {time.monotonic() - started_s:.2f} s")
print(f"{lost} times lost, {runs} times 5 frames, {'one object' if len(objects) == 1 else 'several objects'}")
sys.stdout.flush()
