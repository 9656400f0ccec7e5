"""The machines, each started for the one module of tests that needs it, and what they are shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.vm import known_pictures
from tests.vm.known_pictures import Expected
from tests.vm.machine import RIG, Image, Machine

PLAIN = Image("trixie-amd64")
LIBCAMERA = Image(
    "libcamera-trixie-amd64",
    # picamera2's requirements that Debian has, and what compiles PiDNG, which has no wheel.
    debian=(
        *("python3-libcamera", "libcamera-ipa", "libcamera-tools", "python3-numpy", "python3-pil", "python3-prctl"),
        *("python3-piexif", "python3-libarchive-c", "python3-tqdm", "python3-jsonschema", "python3-setuptools"),
        *("python3-wheel", "python3-dev", "gcc", "libc6-dev"),
    ),
    wheels=("opencv-python-headless", "picamera2", "simplejpeg", "videodev2", "av", "OpenEXR"),
    sources=("PiDNG",),
)


def _running(image: Image) -> Iterator[Machine]:
    if not (RIG / "run.sh").exists():
        pytest.fail(f"no rig in {RIG}; name its folder in RIG")
    machine = Machine(image)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()


@pytest.fixture(scope="module")
def plain() -> Iterator[Machine]:
    """Run Debian with the kernel's virtual V4L2 camera."""
    yield from _running(PLAIN)


@pytest.fixture(scope="module")
def libcamera() -> Iterator[Machine]:
    """Run Debian with libcamera's virtual cameras and picamera2."""
    yield from _running(LIBCAMERA)


@pytest.fixture(scope="session")
def pictures() -> dict[str, np.ndarray]:
    """Draw the known pictures."""
    return known_pictures.draw()


@pytest.fixture(scope="session")
def expected() -> Expected:
    """Load the model that says on the host what the guest has to say."""
    return Expected()
