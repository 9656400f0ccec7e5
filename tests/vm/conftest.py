"""The machines, the service installed in one of them, and what they are shown."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.vm import known_pictures
from tests.vm.known_pictures import Expected
from tests.vm.machine import BIN, Image, Machine
from tests.vm.qemu import ARCH
from tests.vm.unit import Unit, install

# v4l2loopback is compiled for the guest's kernel, which would take too long under emulation.
PLAIN = Image("plain", debian=("v4l2loopback-dkms", "linux-headers-amd64") if ARCH == "amd64" else ())
LIBCAMERA = Image(
    "libcamera",
    # picamera2's requirements that Debian has, and what compiles PiDNG, which has no wheel.
    debian=(
        *("python3-libcamera", "libcamera-ipa", "libcamera-tools", "python3-numpy", "python3-pil", "python3-prctl"),
        *("python3-piexif", "python3-libarchive-c", "python3-tqdm", "python3-jsonschema", "python3-setuptools"),
        *("python3-wheel", "python3-dev", "gcc", "libc6-dev"),
    ),
    sees_debian=True,
    wheels=("opencv-python-headless", "picamera2", "simplejpeg", "videodev2", "av", "OpenEXR"),
    sources=("PiDNG",),
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of the tests that run on every architecture."""
    config.addinivalue_line("markers", "every_arch: also under ARCH=arm64, which is emulated and slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, on another architecture than amd64, what shows nothing new there."""
    if ARCH != "amd64":
        left_out = [item for item in items if item.get_closest_marker("every_arch") is None]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _running(image: Image) -> Iterator[Machine]:
    machine = Machine(image)
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()


@pytest.fixture(scope="session")
def plain() -> Iterator[Machine]:
    """Run Debian with the kernel's virtual V4L2 camera."""
    yield from _running(PLAIN)


@pytest.fixture(scope="module")
def libcamera() -> Iterator[Machine]:
    """Run Debian with libcamera's virtual cameras and picamera2."""
    yield from _running(LIBCAMERA)


@pytest.fixture(scope="session")
def unit(plain: Machine) -> Iterator[Unit]:
    """Install the service."""
    yield install(plain)
    plain.run(f"{BIN}/edge-app service uninstall --purge", is_checked=False)


@pytest.fixture(scope="session")
def pictures() -> dict[str, np.ndarray]:
    """Draw the known pictures."""
    return known_pictures.draw()


@pytest.fixture(scope="session")
def expected() -> Expected:
    """Load the model that says on the host what the guest has to say."""
    return Expected()
