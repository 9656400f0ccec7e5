"""What the board reports about itself: name, processor, governor, temperature, throttling."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
# Bits of get_throttled, Raspberry Pi documentation, "vcgencmd": 0 to 3 for now, 16 to 19 for since the start.
BITS = {0: "under-voltage", 1: "frequency capped", 2: "throttled", 3: "soft temperature limit"}
SINCE_START = 16
_COMMAND_LIMIT_S = 2


@dataclass(frozen=True, slots=True)
class Throttling:
    """Why the board is throttled.

    Attributes:
        now: the current reasons, in words of `BITS`.
        since_start: the reasons at any time since the board was started.
    """

    now: tuple[str, ...]
    since_start: tuple[str, ...]


def name(root: Path = ROOT) -> str:
    """Return the name of the board or computer."""
    for place in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        if text := _read(root / place):
            return text
    return platform.machine()


def processor(root: Path = ROOT) -> str:
    """Return the name of the processor."""
    lines = (line.partition(":") for line in _read(root / "proc/cpuinfo").splitlines())
    found = {key.strip(): value.strip() for key, _, value in lines}
    return found.get("model name") or found.get("Model") or platform.processor() or platform.machine()


def governor(root: Path = ROOT) -> str | None:
    """Return the frequency governor of the processor; None if there is none or the system does not report it."""
    return _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None


def temperature_c(root: Path = ROOT) -> float | None:
    """Return the board's highest temperature in degrees Celsius; None without a sensor."""
    texts = [_read(zone / "temp") for zone in (root / "sys/class/thermal").glob("thermal_zone*")]
    # The kernel reports thousandths of a degree; a sensor that fails to read gives an empty text.
    values = [int(text) / 1000 for text in texts if text.lstrip("-").isdigit()]
    return max(values, default=None)


def throttling(root: Path = ROOT) -> Throttling | None:
    """Return why the board is throttled, if it is; None where the board does not report it."""
    return kernel_throttling(root) or (_firmware_throttling() if root == ROOT else None)


def kernel_throttling(root: Path = ROOT) -> Throttling | None:
    """Return the kernel's report of throttling: quick to read, also in a service's sandbox."""
    for file in (root / "sys/devices/platform/soc").glob("*firmware/get_throttled"):
        if (bits := _hexadecimal(_read(file))) is not None:
            return decode(bits)
    return None


def _firmware_throttling() -> Throttling | None:
    command = shutil.which("vcgencmd")
    if command is None or not command.startswith(os.sep):  # an entry of PATH that stands for the current folder
        return None
    try:
        done = subprocess.run(
            [command, "get_throttled"], capture_output=True, text=True, timeout=_COMMAND_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    bits = _hexadecimal(done.stdout.partition("=")[2].strip())
    return None if bits is None else decode(bits)


def decode(bits: int) -> Throttling:
    """Return the meaning of the bits of get_throttled."""
    now = tuple(word for bit, word in BITS.items() if bits >> bit & 1)
    return Throttling(now, tuple(word for bit, word in BITS.items() if bits >> (bit + SINCE_START) & 1))


def _hexadecimal(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None


def _read(path: Path) -> str:
    try:
        # Texts of the device tree end with a NUL, which would reach terminals and reports.
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""
