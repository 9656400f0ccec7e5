"""Asks a V4L2 device for its name, pixel formats and sizes, with the kernel's ioctls."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Requests and layouts: Linux UAPI, include/uapi/linux/videodev2.h. Bits 16 to 29 are the size of the structure.
_VIDIOC_QUERYCAP = 0x80685600
_VIDIOC_ENUM_FMT = 0xC0405602
_VIDIOC_ENUM_FRAMESIZES = 0xC02C564A
_CAPTURE = 1  # V4L2_CAP_VIDEO_CAPTURE and V4L2_BUF_TYPE_VIDEO_CAPTURE are both 1.
_DEVICE_CAPS_VALID = 0x80000000
_DISCRETE = 1


@dataclass(frozen=True, slots=True)
class Mode:
    """One size in one pixel format.

    Attributes:
        fourcc: four letters, such as "MJPG" or "YUYV".
        width_px: width.
        height_px: height.
    """

    fourcc: str
    width_px: int
    height_px: int

    def __str__(self) -> str:
        """Return it as "MJPG 640x480"."""
        return f"{_format_name(self.fourcc)} {self.width_px}x{self.height_px}"


@dataclass(frozen=True, slots=True)
class Device:
    """A capture device.

    Attributes:
        path: the most stable path: by-id if udev made one, else /dev/videoN.
        title: the driver's name for the camera.
        modes: all discrete sizes of all formats; the usual sizes if the device takes any size in a range.
    """

    path: str
    title: str
    modes: tuple[Mode, ...]


def devices() -> list[Device]:
    """Return every capture device that this user may open, in the order of the kernel's numbers."""
    return [device for device in map(_ask, nodes()) if device is not None]


def nodes() -> list[Path]:
    """Return every /dev/videoN in the order of the kernel's numbers, including those that do not capture or open."""
    # By number, as by text video10 would come before video2.
    return sorted(Path("/dev").glob("video[0-9]*"), key=lambda node: int(node.name[5:]))


def query(path: str) -> Device | None:
    """Describe the device at `path`; None if it does not capture.

    Raises:
        OSError: it cannot be opened or does not answer.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        answer = fcntl.ioctl(descriptor, _VIDIOC_QUERYCAP, bytes(104))
        _, card, _, _, capabilities, device_caps = struct.unpack_from("16s32s32sIII", answer)
        if not (device_caps if capabilities & _DEVICE_CAPS_VALID else capabilities) & _CAPTURE:
            return None
        modes = tuple(mode for fourcc in _formats(descriptor) for mode in _sizes(descriptor, fourcc))
        return Device(_lasting_path(path), card.split(b"\0")[0].decode(errors="replace"), modes) if modes else None
    finally:
        os.close(descriptor)


def _ask(node: Path) -> Device | None:
    try:
        return query(str(node))
    except OSError:
        return None


def _formats(descriptor: int) -> list[str]:
    found: list[str] = []
    while True:
        request = struct.pack("II", len(found), _CAPTURE).ljust(64, b"\0")
        try:
            answer = fcntl.ioctl(descriptor, _VIDIOC_ENUM_FMT, request)
        except OSError:  # EINVAL ends the list.
            return found
        found.append(answer[44:48].decode("latin-1"))


def _format_name(fourcc: str) -> str:
    """Return the format's name: "MJPG", or "XR15-BE" if the last letter's top bit, the big-endian mark, is set."""
    last = ord(fourcc[3])
    return fourcc[:3] + chr(last & 0x7F) + ("-BE" if last & 0x80 else "")


# Usual webcam sizes, for a device that takes any size in a range.
_USUAL_SIZES = ((160, 120), (320, 240), (640, 480), (1280, 720), (1920, 1080))


def _sizes(descriptor: int, fourcc: str) -> list[Mode]:
    found: list[Mode] = []
    while True:
        request = struct.pack("I4s", len(found), fourcc.encode("latin-1")).ljust(44, b"\0")
        try:
            answer = fcntl.ioctl(descriptor, _VIDIOC_ENUM_FRAMESIZES, request)
        except OSError:
            return found
        kind, low_width, high_width_or_height, _, low_height, high_height = struct.unpack_from("IIIIII", answer, 8)
        if kind == _DISCRETE:
            found.append(Mode(fourcc, low_width, high_width_or_height))
        else:
            return [
                Mode(fourcc, width, height)
                for width, height in _USUAL_SIZES
                if low_width <= width <= high_width_or_height and low_height <= height <= high_height
            ]


def _lasting_path(path: str) -> str:
    """Return the by-id link to the node: /dev/videoN may change when a camera is plugged in again."""
    for link in sorted(Path("/dev/v4l/by-id").glob("*-video-index0")):
        if link.resolve() == Path(path).resolve():
            return str(link)
    return path


PROCESSES = Path("/proc")


def holders(paths: Sequence[str], besides: int | None = None) -> dict[str, str]:
    """Find the devices that other processes have open, as far as /proc shows them to this user.

    Args:
        paths: of the devices.
        besides: the pid of a process to ignore; None for this one.

    Returns:
        "name (pid N)" by path, for each device in use.
    """
    # `or`, not a test for None: systemd's MainPID is 0 while the service has no process.
    wanted, own = {os.path.realpath(path): path for path in paths}, str(besides or os.getpid())
    found: dict[str, str] = {}
    for number in filter(str.isdigit, _names(PROCESSES)):
        descriptors = PROCESSES / number / "fd"
        for name in _names(descriptors) if number != own else ():
            path = wanted.get(_target(descriptors / name))
            if path is not None:
                found.setdefault(path, f"{_command(number)} (pid {number})")
    return found


# A process may end at any time, and other users' processes are not readable, so each of these may fail.
def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


def _command(number: str) -> str:
    try:
        return (PROCESSES / number / "comm").read_text().strip()
    except OSError:
        return "a process"
