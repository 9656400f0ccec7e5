"""`picamera` on the real picamera2 and libcamera, whose virtual camera plays JPEG files of our choosing as NV12."""

from __future__ import annotations

import json
import re
from collections import Counter

import numpy as np
import pytest

from edge_app.errors import EXIT_NO_START
from edge_app.pictures.array import ArrayPicture
from edge_app.pictures.opencv import cv2
from tests.vm.known_pictures import Expected
from tests.vm.machine import BIN, Machine

# A camera of libcamera's virtual pipeline that shows the files 0.jpg, 1.jpg, ... in turn.
CAMERAS = """
"Played":
  supported_formats:
  - width: 640
    height: 480
    frame_rates: [10, 30]
  frames:
    path: "/opt/played/"
  location: "CameraLocationBack"
  model: "Played pictures"
"""
FRAMES = 60
APP = f"timeout 150 {BIN}/python -c 'import virtual_camera, edge_app.__main__ as m; m.main()'"
# JPEG, chroma at half size, uint8 at each step; and libyuv's fast inverse DCT rounds down (half a level in Y, U and V).
MOST_OFF_MEAN = 2.0


def encode(pixels: np.ndarray) -> np.ndarray:
    """Return an RGB picture as a JPEG whose Y, Cb, Cr are those of SMPTE 170M (BT.601, limited range).

    The virtual camera hands out a JPEG's planes as they are (full range), yet lets picamera2's choice of colour space
    stand, which is SMPTE 170M: only a picture squeezed into its range is what a camera that says so would deliver.
    """
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    squeezed = 16 + luma[..., None] * 219 / 255 + (pixels - luma[..., None]) * 224 / 255
    bgr = squeezed[..., ::-1].clip(0, 255).round().astype(np.uint8)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(-1)


@pytest.fixture(scope="module")
def played(libcamera: Machine, pictures: dict[str, np.ndarray], expected: Expected) -> dict[str, np.ndarray]:
    """Make the virtual camera play the known pictures; return the patch of each."""
    known = {
        name: pixels for name, pixels in pictures.items() if name != "formula"
    }  # noise, of which JPEG leaves little
    folder = libcamera.share / "played"
    folder.mkdir(exist_ok=True)
    for number, pixels in enumerate(known.values()):
        (folder / f"{number}.jpg").write_bytes(encode(pixels).tobytes())
    (libcamera.share / "virtual.yaml").write_text(CAMERAS)
    libcamera.run(
        f"""set -e
        rm -rf /opt/played; cp -r {libcamera.guest_share}/played /opt/played
        mkdir -p /usr/share/libcamera/pipeline/virtual
        cp {libcamera.guest_share}/virtual.yaml /usr/share/libcamera/pipeline/virtual/virtual.yaml"""
    )
    return {name: expected.patch(ArrayPicture(pixels)) for name, pixels in known.items()}


def in_guest(machine: Machine, command: str, is_checked: bool = True) -> tuple[int, str, str]:
    """Run a command where `virtual_camera` can be imported; return exit code, stdout, stderr."""
    done = machine.run(
        f"export LIBCAMERA_LOG_LEVELS=*:ERROR; cd {machine.guest_share}/guest; {command}", 300, is_checked
    )
    return done.returncode, done.stdout, done.stderr


def test_listed(libcamera: Machine, played: dict[str, np.ndarray]) -> None:
    """`edge-app sources` lists the camera by its number and model."""
    _, listed, _ = in_guest(libcamera, f"{APP} sources")
    print(listed)
    assert "picamera:0  Played pictures" in listed


# What is granted, with the modules to import first.
STREAMS = {"virtual_camera": ["main is NV12 640x480"], "pretend_isp": ["main is NV12 640x480", "lores is NV12 640x480"]}


@pytest.mark.parametrize("module", list(STREAMS))
def test_patches(libcamera: Machine, played: dict[str, np.ndarray], expected: Expected, module: str) -> None:
    """Each frame is one of the known pictures, within what JPEG and NV12 lose, and gets the label of that picture."""
    out = f"{libcamera.guest_share}/patches.npz"
    command = f"timeout 200 {BIN}/python take_patches.py picamera:0 640x480 {FRAMES} {out} virtual_camera {module}"
    _, said, log = in_guest(libcamera, command)
    granted = re.findall(r"picamera:0: (\w+ is .*)", log)
    print(granted, said)
    assert granted == STREAMS[module]
    with np.load(libcamera.share / "patches.npz") as file:
        patches, age_ms, sizes = file["patches"], file["age_s"] * 1e3, file["sizes"]
    print(f"age of a frame when taken: median {np.median(age_ms):.1f} ms, most {age_ms.max():.1f} ms")
    assert np.unique(sizes, axis=0).tolist() == [[640, 480]]
    shown = [min(played, key=lambda name: np.abs(played[name].astype(int) - patch).mean()) for patch in patches]
    for name, known in played.items():
        mine = [patch for patch, its in zip(patches, shown, strict=True) if its == name]
        assert mine, f"{name} never came"
        off = np.abs(np.stack(mine).astype(int) - known)
        tops = {tuple(expected.top(patch)[0]) for patch in mine}
        print(f"{name}: {len(mine)} frames, off by {off.mean():.2f} on average, {off.max()} at most;", end=" ")
        print(f"{expected.top(known)[0]} directly, {sorted(tops)} through the camera")
        assert off.mean() < MOST_OFF_MEAN
        assert {label for label, _ in tops} == {expected.top(known)[0][0]}


def test_log(libcamera: Machine, played: dict[str, np.ndarray], expected: Expected) -> None:
    """`edge-app run` on the camera logs the labels of the known pictures, all of them and no other."""
    _, log, said = in_guest(
        libcamera, f"{APP} run --source picamera:0 --size 640x480 --preview none --frames {FRAMES} --log -"
    )
    print(said)
    seen = Counter(json.loads(line)["top"][0][0] for line in log.splitlines())
    print(f"labels: {dict(seen)}")
    assert seen.total() == FRAMES
    assert set(seen) == {expected.top(patch)[0][0] for patch in played.values()}


def test_absent(libcamera: Machine, played: dict[str, np.ndarray]) -> None:
    """A camera that is not there is named."""
    code, _, said = in_guest(libcamera, f"{APP} run --source picamera:7 --preview none", is_checked=False)
    print(f"exit {code}: {said}")
    assert code == EXIT_NO_START
    assert "picamera:7 does not exist" in said.splitlines()[-1]


def test_lost_and_reopened(libcamera: Machine, played: dict[str, np.ndarray]) -> None:
    """A request that does not come in time is a lost camera; stopped and started again, the same object goes on."""
    _, said, _ = in_guest(libcamera, f"timeout 200 {BIN}/python lose_and_reopen.py 3")
    print(said)
    assert said.splitlines()[-1] == "3 times lost, 4 times 5 frames, one object"
