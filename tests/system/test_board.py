"""What the board tells, read from a made-up file system of a Raspberry Pi."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_app.system import board
from edge_app.system.board import Throttling


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make the files of a Raspberry Pi 4 that is hot."""
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.5\0",
        "proc/cpuinfo": "processor\t: 0\nBogoMIPS\t: 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/class/thermal/thermal_zone0/temp": "61835\n",
        "sys/class/thermal/thermal_zone1/temp": "-1000\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_raspberry_pi_is_described(root: Path) -> None:
    """Name, governor and the highest temperature are read as the kernel writes them."""
    assert board.name(root) == "Raspberry Pi 4 Model B Rev 1.5"
    assert board.processor(root) == "Raspberry Pi 4 Model B Rev 1.5"
    assert board.governor(root) == "ondemand"
    assert board.temperature_c(root) == 61.835


def test_throttling_is_read_from_the_kernel(root: Path) -> None:
    """0x50005: under-voltage and throttled, now and since the start."""
    assert board.throttling(root) == Throttling(("under-voltage", "throttled"), ("under-voltage", "throttled"))


@pytest.mark.parametrize(
    ("bits", "found"),
    [
        (0x0, Throttling((), ())),
        (0x1, Throttling(("under-voltage",), ())),
        (0x80000, Throttling((), ("soft temperature limit",))),
        (0xF000F, Throttling(tuple(board.BITS.values()), tuple(board.BITS.values()))),
    ],
)
def test_bits_mean_what_is_documented(bits: int, found: Throttling) -> None:
    """Bits 0 to 3 are now, 16 to 19 since the start."""
    assert board.decode(bits) == found


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    """Without any of these files there is nothing to say, and no error."""
    assert board.governor(tmp_path) is board.temperature_c(tmp_path) is board.throttling(tmp_path) is None
    assert board.name(tmp_path) and board.processor(tmp_path)


def test_rubbish_in_the_file_is_no_throttling(root: Path) -> None:
    """What is no number says nothing."""
    (root / "sys/devices/platform/soc/soc:firmware/get_throttled").write_text("unknown\n")
    assert board.throttling(root) is None


def test_a_command_that_answers_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no file, the firmware's command is asked."""
    command = tmp_path / "vcgencmd"
    command.write_text("#!/bin/sh\necho throttled=0x50000\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert board.throttling() == Throttling((), ("under-voltage", "throttled"))


def test_a_command_of_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty entry or a dot in PATH stands for that folder."""
    (tmp_path / "vcgencmd").write_text("#!/bin/sh\necho throttled=0x50000\n")
    (tmp_path / "vcgencmd").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (".", ":/nonexistent"):
        monkeypatch.setenv("PATH", path)
        assert board.throttling() is None
