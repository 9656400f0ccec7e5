"""A webcam that is found by its name and sends MJPG or YUYV: v4l2loopback, fed with known pictures."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

from edge_app.pictures.jpeg import JpegPicture
from edge_app.pictures.opencv import cv2
from edge_app.pictures.yuv import YuyvPicture
from tests.vm.known_pictures import HEIGHT_PX, WIDTH_PX, Expected, to_yuyv
from tests.vm.unit import SETTINGS, Unit

BY_ID = "/dev/v4l/by-id/usb-Test_Bed_Webcam-video-index0"
# udev names USB cameras so; the loopback is on no bus.
RULE = f'SUBSYSTEM=="video4linux", ATTR{{name}}=="Test Bed Webcam", SYMLINK+="{BY_ID.removeprefix("/dev/")}"'
RECOVERED_S = 5.0
CYCLES = 3


def plug_in(unit: Unit, fourcc: str, number: int) -> None:
    """Make the camera appear as /dev/videoN, already sending."""
    folder = f"{unit.machine.guest_share}/fed"
    unit.run(
        f"""set -e
        echo '{RULE}' > /etc/udev/rules.d/90-testbed.rules; udevadm control --reload
        modprobe v4l2loopback video_nr={number} card_label='Test Bed Webcam' exclusive_caps=1
        systemd-run -q --collect --unit feeder python3 {unit.machine.guest_share}/guest/feed_loopback.py \\
            /dev/video{number} {fourcc} {WIDTH_PX}x{HEIGHT_PX} {folder}/*.{fourcc}
        sleep 1; systemctl is-active feeder; udevadm settle; readlink {BY_ID}"""
    )


def unplug(unit: Unit) -> None:
    """Make it vanish: the feeder ends, and the node goes as soon as the service has let go of it."""
    unit.run(
        """systemctl stop feeder
        for _ in $(seq 100); do modprobe -r v4l2loopback 2> /dev/null && exit 0; sleep 0.1; done
        echo 'somebody keeps the node open' >&2; exit 1"""
    )


@pytest.mark.parametrize("fourcc", ["MJPG", "YUYV"])
def test_found_by_its_name_wherever_it_is_plugged_in(
    unit: Unit, fourcc: str, pictures: dict[str, np.ndarray], expected: Expected
) -> None:
    """Named by its by-id path the camera is found again under another number; every line has known scores."""
    known = {name: pixels for name, pixels in pictures.items() if name.startswith("scene")}
    folder = unit.machine.share / "fed"
    folder.mkdir(exist_ok=True)
    tops = {}
    for number, (name, pixels) in enumerate(known.items()):
        if fourcc == "MJPG":
            data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].reshape(-1)
            tops[name] = expected.top(expected.patch(JpegPicture(data)))
        else:
            data = to_yuyv(pixels)
            tops[name] = expected.top(expected.patch(YuyvPicture(data)))
        (folder / f"{number}.{fourcc}").write_bytes(data.tobytes())
    unit.settle(SETTINGS.replace('"auto"', f'"webcam:{BY_ID}"'), has_camera=False)
    unit.until("outage", 0)
    pid, recovered_s = unit.show("MainPID"), []
    try:
        for cycle in range(CYCLES):
            plug_in(unit, fourcc, 20 + cycle)
            back_s = unit.now_s()
            recovered_s.append(unit.until("ok", back_s)["mono_s"] - back_s)
            time.sleep(4)
            gone_s = unit.now_s()
            unplug(unit)
            unit.until("outage", gone_s)
        assert unit.show("MainPID") == pid
    finally:
        unit.run("systemctl stop feeder edge-app; modprobe -r v4l2loopback", is_checked=False)
    lines = [line for line in unit.lines() if line["state"] == "ok"]
    names = {str(top): name for name, top in tops.items()}
    seen = Counter(names.get(str(line["top"]), "none") for line in lines)
    print(f"{fourcc}: label back after {max(recovered_s):.2f} s at most, under three numbers; lines {dict(seen)}")
    assert max(recovered_s) < RECOVERED_S and unit.show("NRestarts") == "0"
    assert set(seen) == set(tops)
